"""What contacts write: bursts, a share of it delivered twice, in any order. Planned from one seed."""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from frontdesk.simulator import Simulator

# Each has its answer in the facts of the tenants, so none goes to a person by itself.
_QUESTIONS = (
    "How long does delivery take?",
    "Can I return a lamp within 30 days?",
    "When is the shop open on Monday?",
)
_DELIVERED_AGAIN_SHARE = 0.3
_CODE = re.compile(r"\bR-\d{5}\b")


@dataclass(frozen=True)
class Line:
    """One message to be written."""

    at_seconds: float
    """When its webhook is first posted."""
    written_seconds: float
    """When the contact wrote it, as WhatsApp's own time in it says."""
    contact: int
    text: str
    copies: int
    again_after_seconds: float | None
    """When the same webhook is posted once more, if it is."""


def plan_chat(
    chance: random.Random,
    codes: Iterable[str],
    *,
    contacts: int,
    bursts: int,
    most_in_burst: int,
    over_seconds: float,
) -> list[Line]:
    """The messages of a chat in the order of their first posting."""
    lines = []
    source = iter(codes)
    for contact in range(contacts):
        starts = sorted(chance.uniform(0, over_seconds) for _ in range(bursts))
        for start in starts:
            for number in range(chance.randint(1, most_in_burst)):
                written = start + number * 0.05
                twice = chance.random() < _DELIVERED_AGAIN_SHARE
                side_by_side = twice and chance.random() < 0.5
                lines.append(
                    Line(
                        # Webhooks overtake each other on their way.
                        at_seconds=written + chance.uniform(0, 0.15),
                        written_seconds=written,
                        contact=contact,
                        text=f"{chance.choice(_QUESTIONS)} {next(source)}",
                        copies=2 if side_by_side else 1,
                        again_after_seconds=(
                            chance.uniform(0.05, 2.0) if twice and not side_by_side else None
                        ),
                    )
                )
    return sorted(lines, key=lambda line: line.at_seconds)


def postings(lines: Sequence[Line]) -> list[tuple[float, int, Line]]:
    """When each webhook is posted, the repeated ones included: (seconds, position, line)."""
    planned = [(line.at_seconds, position, line) for position, line in enumerate(lines)]
    planned += [
        (line.at_seconds + line.again_after_seconds, position, replace(line, copies=1))
        for position, line in enumerate(lines)
        if line.again_after_seconds is not None
    ]
    return sorted(planned, key=lambda item: item[:2])


def code(number: int) -> str:
    """The mark by which a message is known again in its answer."""
    return f"R-{number:05d}"


def codes_in(text: str) -> tuple[str, ...]:
    """The marks in a text."""
    return tuple(dict.fromkeys(_CODE.findall(text)))


def name_what_is_answered(simulator: Simulator) -> None:
    """Let every reply of the scripted model end with the marks of the messages it answers.

    So the accept log alone tells what was answered, and how often, whatever the database believes.
    """
    script = simulator.model.say

    def say(ask):  # type: ignore[no-untyped-def]  # The simulator keeps these types to itself.
        said = script(ask)
        if ask.schema_name == "reply" and isinstance(said, dict) and "text" in said:
            marks = codes_in(" ".join(ask.burst))
            return {**said, "text": f"{said['text']} ({' '.join(marks)})"}
        return said

    simulator.model.say = say  # type: ignore[method-assign]
