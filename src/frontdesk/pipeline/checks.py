"""What may not leave, whatever made the model write it: pure rules over a draft."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from frontdesk.core.languages import detect_language
from frontdesk.gateway import has_placeholder
from frontdesk.messaging import shorten, to_whatsapp
from frontdesk.pipeline.language import SURE
from frontdesk.pipeline.plain import compact
from frontdesk.pipeline.promises import promised_person

# Fewer words are often names, numbers and greetings, which say nothing about the language.
_WORDS_TO_JUDGE = 4
_CHARACTERS_TO_JUDGE = 200  # More says no more and takes longer.
# A draft this much too long was not meant to be short; a little too long is only cut.
_MUCH_TOO_LONG = 1.5
# Letters and digits in a row that two texts share only when one repeats the other: about ten words.
_RUN = 60
# So much of the tenant's own instructions at a stretch is their text, and no use of it.
_RUNS_OF_INSTRUCTIONS = 3
_PROMPT_MARKS = re.compile(
    r"</?(?:facts|messages|transcript|draft|memory|tool_results|tools|explain|reason|colleague_note)>|json_schema"
    r"|<\|[^|<>]{1,40}\|>|\[/?INST\]|<</?SYS>>|\{\{|\{%|^\s*\{\s*\"",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
# A bare domain counts as a link with an ending that people know; phones make these clickable.
_ENDINGS = (
    "com net org io co info biz shop store app dev me xyz top ru cn site online club link click live eu "
    "de fr it es pt br uk us ch at nl be pl in ae ai ly gl gg to tk cc tv pro page example test"
)
# With all that may stand before an @: what a reader takes for the host is the name of a user then.
_URL = re.compile(r"(?i:https?://|(?<![\w@.-])www\.)(?:[^\s/?#]*@)?[^\s<>\"'|]+")
_BARE_LINK = re.compile(
    rf"(?<![\w@./-])(?:[\w-]*[a-zA-Z][\w-]*\.)+(?:{'|'.join(_ENDINGS.split())})(?![\w-])(?:/[^\s<>\"'|]*)?",
)
# No backslash: some take it for the end, others for a part of it.
_AUTHORITY_ENDS = re.compile(r"[/?#]")
_AUTHORITY = re.compile(r"([\w.-]+)(?::\d*)?")
_SCHEME = re.compile(r"^(?:https?://)?(?:www\.)?", re.IGNORECASE)


@dataclass(frozen=True)
class Guarded:
    """A text fit to be sent, or what is wrong with it."""

    text: str
    problem: str | None


@dataclass(frozen=True)
class Bounds:
    """What a draft is held to.

    Args:
        language: the contact's; `offered` are those the tenant answers in.
        limit: characters of one message.
        secret: texts that nobody may be told, such as the prompt's rules.
        instructions: the tenant's own; their words may be used and not be recited.
        quotable: what may be told word for word: knowledge, the greeting, what has been told before,
            what people noted when they gave the conversation back.
        answered: what HTTP tools gave. It may be told, but for what the model had put into its calls,
            `asked`: a service that says it back does not vouch for it.
        theirs: what the contact wrote; an address they gave may be repeated to them.
        hosts: where other links and addresses may lead, whoever knows them; None: anywhere.
        may_promise_a_person: that somebody gets in touch may be said.
        canary: a mark in the prompt that is in no honest answer.
    """

    language: str
    offered: tuple[str, ...]
    limit: int
    secret: str = ""
    instructions: str = ""
    quotable: str = ""
    answered: str = ""
    asked: str = ""
    theirs: str = ""
    hosts: tuple[str, ...] | None = None
    canary: str | None = None
    may_promise_a_person: bool = False


def check(text: str, bounds: Bounds) -> Guarded:
    """The text in WhatsApp's formatting and what is wrong with it, if anything is.

    The problem never quotes the draft: it is told to the model as an instruction.
    """
    fit = to_whatsapp(text).strip()
    problem = _problem(text, fit, bounds)
    return Guarded(fit if problem else shorten(fit, bounds.limit), problem)


def _problem(text: str, fit: str, bounds: Bounds) -> str | None:  # noqa: PLR0911  # One line a check reads best.
    if not any(c.isalnum() for c in fit):
        return "it is empty"
    if _PROMPT_MARKS.search(fit):
        return "it repeats parts of the instructions"
    if len(fit) > bounds.limit * _MUCH_TOO_LONG:
        return f"it has {len(fit)} characters where {bounds.limit} are allowed"
    if has_placeholder(fit):
        return "it has a placeholder that stands for nothing"
    if leaks(text, bounds):
        return "it repeats the instructions"
    # As the model wrote it, too: formatting shows where a link really goes, and may drop it.
    if foreign_links(f"{text}\n{fit}", bounds):
        return "it has a link or an address that is in none of the facts"
    if not bounds.may_promise_a_person and _promises_a_person(fit, bounds):
        return "it promises a person although it does not pass the conversation on"
    if (other := _other_language(fit, bounds)) is not None:
        return f"it is written in {other} where the contact writes {bounds.language}"
    return None


def _promises_a_person(text: str, bounds: Bounds) -> bool:
    promise = compact(promised_person(text) or "")
    return promise not in compact(bounds.quotable) and (
        promise not in compact(bounds.answered) or promise in compact(bounds.asked)
    )


def leaks(text: str, bounds: Bounds) -> bool:
    """Whether a text recites what nobody may be told."""
    told = compact(text)
    if bounds.canary and compact(bounds.canary) in told:
        return True
    if len(told) < _RUN:
        return False
    secret = compact(bounds.secret)
    runs = [told[at : at + _RUN] for at in range(0, len(told) - _RUN + 1, _RUN // 2)]
    repeated = [run for run in runs if run in secret]
    if not repeated:
        return False
    quotable, instructions = compact(bounds.quotable), compact(bounds.instructions)
    recited = [run for run in repeated if run not in quotable]
    return len(recited) >= _RUNS_OF_INSTRUCTIONS or any(run not in instructions for run in recited)


def foreign_links(text: str, bounds: Bounds) -> list[str]:
    """Links and mail addresses of a text that lead where they may not, or that nothing quotable has
    and no contact has given."""
    addresses = {address.rstrip(".").casefold() for address in _EMAIL.findall(text)}
    beside = _EMAIL.sub(" ", _URL.sub(" ", text))
    links = {_bare(link) for link in (*_URL.findall(text), *_BARE_LINK.findall(beside))}
    if not addresses and not links:
        return []
    known = f"{bounds.quotable}\n{bounds.secret}".casefold()
    answered, asked, theirs = (
        text.casefold() for text in (bounds.answered, bounds.asked, bounds.theirs)
    )
    return [
        *(
            address
            for address in addresses
            if address not in theirs
            and (
                not _leads_to(address.partition("@")[2], bounds.hosts)
                or (address not in known and (address not in answered or address in asked))
            )
        ),
        *(
            link
            for link in links
            if not _leads_to(authority := _AUTHORITY_ENDS.split(link)[0], bounds.hosts)
            or (
                not _is_known(link, known)
                and (not _is_known(link, answered) or _host(authority) in asked)
            )
        ),
    ]


def _host(authority: str) -> str:
    return authority.rpartition("@")[2].partition(":")[0]


def _leads_to(authority: str, hosts: tuple[str, ...] | None) -> bool:
    """Whether a host, maybe with its port, is a listed one or below one; never with a user before it."""
    if hosts is None:
        return True
    if (found := _AUTHORITY.fullmatch(authority)) is None:
        return False
    listed = [f".{known.removeprefix('www.')}" for known in hosts]
    return any(f".{it}".endswith(known) for it in (found[1], authority) for known in listed)


def _bare(link: str) -> str:
    return _SCHEME.sub("", link.rstrip(".,;:!?)]}*_~")).rstrip("/").casefold()


def _is_known(link: str, known: str) -> bool:
    # Whole: shop.example is neither of not-shop.example, shop.example.evil, shop.example/x.
    whole = rf"(?:(?<![\w.-])|(?<=www\.)){re.escape(link)}(?!\.?[\w-])"
    return link in known and re.search(whole, known) is not None


def _other_language(text: str, bounds: Bounds) -> str | None:
    if len(text.split()) < _WORDS_TO_JUDGE:
        return None
    # A contact who writes a language the tenant does not offer is answered in one it does.
    offered, wanted = bounds.offered, bounds.language
    accepted = {wanted} if wanted in offered else set(offered)
    found, sure = detect_language(text[:_CHARACTERS_TO_JUDGE], tuple({*offered, wanted}))
    return found if found and sure >= SURE and found not in accepted else None


def joined(texts: Iterable[str | None]) -> str:
    """Texts one below the other."""
    return "\n".join(text for text in texts if text)
