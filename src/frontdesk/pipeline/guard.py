"""Stage 6: what may leave. The text in WhatsApp's formatting, short enough, in the right language."""

import re
from dataclasses import dataclass

from frontdesk.core.resources import Resources
from frontdesk.messaging import shorten, to_whatsapp
from frontdesk.pipeline.language import SURE, detect_language
from frontdesk.pipeline.prompt import Prompt
from frontdesk.pipeline.reply import draft_reply
from frontdesk.pipeline.turn import Reply, Triaged, Turn

# Fewer words are often names, numbers and greetings, which say nothing about the language.
_WORDS_TO_JUDGE = 4
# A draft this much too long was not meant to be short; a little too long is only cut.
_MUCH_TOO_LONG = 1.5
_PROMPT_MARKS = re.compile(r"</?(facts|messages|transcript)>|json_schema", re.IGNORECASE)


@dataclass(frozen=True)
class Guarded:
    """A text fit to be sent, or what is wrong with it."""

    text: str
    problem: str | None


async def guard_draft(
    resources: Resources, turn: Turn, triaged: Triaged, prompt: Prompt, draft: Reply
) -> Guarded:
    """The draft made fit to be sent, with one repair by the model if it takes that.

    Raises:
        ModelsUnavailable: the repair found no model.
    """
    allowed = tuple(turn.agent.config.languages)
    limit = turn.agent.config.max_reply_characters
    guarded = check(draft.text, language=triaged.language, allowed=allowed, limit=limit)
    repaired = False
    if guarded.problem is not None:
        turn.trace.add("guard", problem=guarded.problem, text=draft.text[:500])
        wish = (
            f"Your last draft can't be sent: {guarded.problem}. Answer again, in the language "
            f"{triaged.language}, in at most {limit} characters."
        )
        second = await draft_reply(resources, turn, prompt, repair=wish)
        guarded = check(second.text, language=triaged.language, allowed=allowed, limit=limit)
        repaired = True
    turn.trace.add(
        "guard", problem=guarded.problem, characters=len(guarded.text), repaired=repaired
    )
    return guarded


def check(text: str, *, language: str, allowed: tuple[str, ...], limit: int) -> Guarded:
    """The text in WhatsApp's formatting and what is wrong with it, if anything is."""
    fit = to_whatsapp(text).strip()
    if not any(c.isalnum() for c in fit):
        return Guarded(fit, "it is empty")
    if _PROMPT_MARKS.search(fit):
        return Guarded(fit, "it repeats parts of the instructions")
    if len(fit) > limit * _MUCH_TOO_LONG:
        return Guarded(fit, f"it has {len(fit)} characters where {limit} are allowed")
    if (other := _other_language(fit, language, allowed)) is not None:
        return Guarded(fit, f"it is written in {other} where the contact writes {language}")
    return Guarded(shorten(fit, limit), None)


def _other_language(text: str, wanted: str, allowed: tuple[str, ...]) -> str | None:
    if len(text.split()) < _WORDS_TO_JUDGE:
        return None
    # A contact who writes a language the tenant does not offer is answered in one it does.
    accepted = {wanted} if wanted in allowed else set(allowed)
    found, sure = detect_language(text, tuple({*allowed, wanted}))
    return found if found and sure >= SURE and found not in accepted else None
