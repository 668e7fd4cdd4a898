"""The handoff packet, read off a transcript without understanding it."""

import re
from dataclasses import dataclass
from typing import Literal

from frontdesk.simulator.lexicon import (
    ABUSE,
    ANGRY,
    GOODBYE,
    GREETING,
    PERSON,
    QUESTION,
    THANKS,
    TROUBLE,
    guess_language,
    has,
    only,
    sentence,
)
from frontdesk.simulator.world import Json

_LINE = re.compile(r"^\[([^\]]+)\]\s+(contact|agent|human_agent|system):\s?(.*)$")
_TRANSCRIPT = re.compile(r"<transcript>(.*?)</transcript>", re.DOTALL)
_FACTUAL = re.compile(
    r"\d|[€$£₹]|\bmy\b|\bmi\b|\bmeu\b|\bminha\b|\bmio\b|\bmia\b|\bmein\w*\b|\bmon\b|\bma\b"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|मेर[ािीे]",
    re.IGNORECASE,
)
_PROMISE = re.compile(
    r"\b(?:we|i)(?:'ll| will)\b|\bwerden? (?:wir|ich)\b|\b(?:vamos a|le|te) (?:enviaremos|aviso)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Line:
    """One message of a transcript."""

    message_id: str
    author: Literal["contact", "agent", "human_agent", "system"]
    text: str


def read_transcript(content: str) -> tuple[Line, ...]:
    """The messages of the `<transcript>` block; a line without a head continues the one before."""
    block = _TRANSCRIPT.search(content)
    lines: list[Line] = []
    for raw in (block.group(1) if block else content).strip().splitlines():
        head = _LINE.match(raw.strip())
        if head:
            message_id, author, text = head.groups()
            lines.append(Line(message_id, author, text))  # type: ignore[arg-type]  # By the regex.
        elif lines and raw.strip():
            last = lines.pop()
            lines.append(Line(last.message_id, last.author, f"{last.text} {raw.strip()}"))
    return tuple(lines)


def shorten(text: str, longest: int = 140) -> str:
    """At most so many characters, cut at a word."""
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1].rsplit(" ", 1)[0] + "…"


def is_factual(text: str) -> bool:
    """Whether it looks as if something was told that matters later."""
    return _FACTUAL.search(text) is not None


def is_promise(text: str) -> bool:
    """Whether it looks like a promise."""
    return _PROMISE.search(text) is not None


def handoff_packet(lines: tuple[Line, ...]) -> Json:
    """What a human agent needs to take over, in the shape of `handoff_packet`."""
    contact = [line for line in lines if line.author == "contact"]
    agent = [line for line in lines if line.author != "contact"]
    telling = [line for line in contact if not only(line.text, GREETING, THANKS, GOODBYE, PERSON)]
    questions = [line for line in telling if "?" in line.text or has(QUESTION, line.text)]
    asked = questions or telling or contact
    said = " ".join(line.text for line in contact)
    language = guess_language(said) if said else "en"
    first, last = (asked[0].text, asked[-1].text) if asked else ("", "")
    goal = shorten(first) if first == last else f"{shorten(first, 90)} / {shorten(last, 90)}"
    facts = [
        {"text": shorten(line.text, 200), "message_id": line.message_id}
        for line in telling
        if is_factual(line.text)
    ]
    mood = _mood(said)
    return {
        "goal": goal or "Not said yet",
        "summary": shorten(
            f"The contact wrote {len(contact)} messages, the desk answered {len(agent)} times. "
            f"It is about: {goal or 'nothing said yet'}",
            400,
        ),
        "facts": facts,
        "mood": mood,
        "tried": [shorten(line.text, 100) for line in agent],
        "reasoning": "Scripted model: the transcript was read by rules.",
        "confidence": 0.7 if asked else 0.3,
        "promises": [shorten(line.text, 160) for line in agent if is_promise(line.text)],
        "suggested_next_action": _next_action(last, mood, asked_for_person=has(PERSON, said)),
        "draft_reply": sentence("person", language) if said else sentence("greeting", language),
        "question_meanwhile": "" if facts else sentence("order_number", language),
    }


def _mood(said: str) -> str:
    if has(ABUSE, said) or has(ANGRY, said):
        return "angry"
    if has(TROUBLE, said):
        return "worried"
    return "pleased" if has(THANKS, said) else "neutral"


def _next_action(last: str, mood: str, *, asked_for_person: bool) -> str:
    opening = "Apologise, then answer" if mood == "angry" else "Answer"
    if last:
        return f"{opening}: {shorten(last, 100)}"
    return "Ask what it is about" if asked_for_person else "Ask how you can help"
