"""The bridge's pure part: what a human agent on their own WhatsApp means, and what they read there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from frontdesk.core.text import excerpt
from frontdesk.escalation.bridge_words import Phrase, Reader
from frontdesk.escalation.packet import Packet
from frontdesk.messaging import InboundMessage

CODE = re.compile(r"LINK-[A-Z2-7]{10}")
_BUTTON = re.compile(r"bridge:(close|back|who):([0-9a-f-]{36})")
_COMMAND = re.compile(r"/([a-zA-Z]+)(?:\s+(.*))?", re.DOTALL)
# What can be passed on as it is; the rest is only told of.
PASSED_ON = frozenset({"image", "video", "audio", "document"})
# After one conversation has ended, words written for it may still be on their way.
MAY_MEAN_ANOTHER = timedelta(minutes=5)
# A text of WhatsApp has 4096 characters, and one with buttons 1024; both with room for a name.
_MOST, _MOST_WITH_BUTTONS = 4000, 1000
_MOST_OF_A_LINE = 300


class Verb(StrEnum):
    """What a human agent can want besides saying something."""

    CLOSE = "close"
    BACK = "back"
    WHO = "who"
    NOTE = "note"


@dataclass(frozen=True)
class Order:
    """A command, or its button; that was tapped under a message of `conversation_id`."""

    verb: Verb
    words: str = ""
    conversation_id: UUID | None = None


@dataclass(frozen=True)
class Words:
    """Something for the contact, with or without a file."""

    text: str


@dataclass(frozen=True)
class Refusal:
    """Something that is for nobody, and why; None: there is nothing to say."""

    why: Phrase | None


def read(message: InboundMessage) -> Order | Words | Refusal:
    """What a human agent means by a message."""
    if tapped := _BUTTON.fullmatch(message.button_id or ""):
        return Order(Verb(tapped[1]), conversation_id=UUID(tapped[2]))
    if message.media is not None and message.type in PASSED_ON:
        return Words(message.text)
    if message.type == "reaction":
        return Refusal(None)
    return _read_text(message)


def _read_text(message: InboundMessage) -> Order | Words | Refusal:
    if message.type != "text" or message.ignored_reason is not None or not message.text.strip():
        return Refusal(Phrase.UNPASSED)
    command = _COMMAND.fullmatch(message.text.strip())
    if command is None:
        return Words(message.text)
    verb, words = command[1].lower(), (command[2] or "").strip()
    if verb not in set(Verb) or (verb == Verb.NOTE and not words):
        return Refusal(Phrase.UNKNOWN)
    return Order(Verb(verb), words)


def is_blind(
    written_at: datetime, previous_ended_at: datetime | None, told_at: datetime | None
) -> bool:
    """Whether words may be meant for the contact before.

    They may until the first message about the present one had reached the phone when they were
    written: two contacts are never mixed, at the price of having to say something again.

    Args:
        previous_ended_at: when they last had another conversation.
        told_at: when WhatsApp says that message reached them; None: it has not.
    """
    if previous_ended_at is None or written_at - previous_ended_at > MAY_MEAN_ANOTHER:
        return False
    return told_at is None or written_at < told_at


def buttons(conversation_id: UUID, reader: Reader) -> list[tuple[str, str]]:
    """The (id, title) of the buttons under what begins a conversation."""
    return [
        (f"bridge:{verb}:{conversation_id}", reader.say(title))
        for verb, title in (
            (Verb.CLOSE, Phrase.CLOSE),
            (Verb.BACK, Phrase.BACK),
            (Verb.WHO, Phrase.WHO),
        )
    ]


def brief(reader: Reader, rule: str, packet: Packet, last: Sequence[str]) -> list[str]:
    """What a human agent has to know, in one message or two; the last is short enough for buttons.

    Args:
        last: the last messages as `line` gives them, oldest first.
    """
    parts = [f"{reader.say(Phrase.YOURS)} {reader.shown(rule)}"]
    parts += [
        f"*{reader.say(what)}:* {reader.shown(said)}" for what, said in _named(packet) if said
    ]
    parts += [
        f"*{reader.say(what)}:*\n" + "\n".join(f"- {reader.shown(line)}" for line in lines)
        for what, lines in _listed(packet)
        if lines
    ]
    if last:
        parts.append(f"*{reader.say(Phrase.LAST)}:*\n" + "\n".join(last))
    how = reader.say(Phrase.HOW)
    whole = "\n\n".join([*parts, how])
    if len(whole) <= _MOST_WITH_BUTTONS:
        return [whole]
    return [excerpt("\n\n".join(parts), _MOST), how]


def _named(packet: Packet) -> list[tuple[Phrase, str]]:
    return [
        (Phrase.WANTS, packet.goal),
        (Phrase.SO_FAR, packet.summary if packet.written_by != "rules" else ""),
        (Phrase.MOOD, packet.mood),
        (Phrase.DO_NEXT, packet.suggested_next_action),
        (Phrase.DRAFT, packet.draft_reply),
    ]


def _listed(packet: Packet) -> list[tuple[Phrase, list[str]]]:
    facts = [] if packet.written_by == "rules" else [fact.text for fact in packet.facts]
    return [
        (Phrase.FACTS, facts[:8]),
        (Phrase.PROMISED, packet.promises[:5]),
        (Phrase.TRIED, packet.tried[:5]),
    ]


def line(reader: Reader, author: str, text: str) -> str:
    """A message of the thread, by whoever wrote it, as a line of what was said last."""
    who = {"agent": Phrase.AI, "human_agent": Phrase.US, "system": Phrase.NOTICE}.get(author)
    said = excerpt(reader.shown(text), _MOST_OF_A_LINE)
    return f"{reader.say(who) if who else reader.name}: {said}"


def said_by_contact(reader: Reader, text: str) -> str:
    """A contact's words as a human agent reads them."""
    return excerpt(f"*{reader.name}:* {reader.shown(text)}", _MOST)
