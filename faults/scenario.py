"""What a scenario is, what came of one, and when that breaks a promise."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faults.site import Site


class Broken(Exception):
    """A promise did not hold, or the fault did not happen as planned; the message says which."""


# What a contact writes when a person has the conversation already.
LATER = "a person has it, unanswered"


@dataclass(frozen=True)
class Scenario:
    """One fault, the row of the failure matrix it proves, and what is promised there."""

    name: str
    point: str
    left: str
    follows: str
    outcome: str
    play: Callable[["Site"], Awaitable[None]]
    ends: tuple[str, ...] = ()
    """How messages end that get no answer, in the words of `judge`: each happens, and nothing else
    but `LATER`: whether a contact writes on after a person has it is chance."""
    most_to_person: int | None = None
    """No more messages than so many end so."""
    residual: bool = False
    """The documented case in which a message may be answered twice."""
    settings: dict[str, str] = field(default_factory=dict)
    """Settings of the processes, as environment variables, where the site's do not do."""
    alone: bool = False
    """It compares times, and needs the machine for itself."""
    fast: bool = False
    """Also run by `make test`."""


@dataclass(frozen=True)
class Tally:
    """What the accept log and the database say of the messages of a scenario."""

    messages: int
    replies: int
    """Answers WhatsApp accepted; an answer covers a whole burst."""
    fates: Mapping[str, int]
    """What became of the messages without an answer of the AI, by how many."""
    to_person: int
    """Those of them that a person has, or has been shown."""
    unanswered: tuple[str, ...]
    """Messages with neither: lost."""
    twice: tuple[str, ...]
    """Messages with more than one accepted answer."""
    astray: tuple[str, ...]
    """Messages whose answer reached another contact, or came from another tenant's number."""
    out_of_order: int
    """Answers accepted after that to a later message of the same conversation."""


@dataclass(frozen=True)
class Result:
    """A scenario that was played."""

    scenario: Scenario
    tally: Tally
    drained_seconds: float
    """From the last message written until nothing was left to do, waits moved over included."""
    wall_seconds: float
    broken: tuple[str, ...]
    """Promises that did not hold, in words."""
    notes: tuple[str, ...] = ()
    """What a reader has to know besides."""

    @property
    def holds(self) -> bool:
        """Whether every promise held."""
        return not self.broken

    def view(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "scenario": self.scenario.name,
            "messages": self.tally.messages,
            "replies": self.tally.replies,
            "to_person": self.tally.to_person,
            "unanswered": len(self.tally.unanswered),
            "answered_twice": len(self.tally.twice),
            "answered_twice_is_the_residual_case": self.scenario.residual,
            "out_of_order": self.tally.out_of_order,
            "drained_seconds": round(self.drained_seconds, 1),
            "wall_seconds": round(self.wall_seconds, 1),
            "broken": list(self.broken),
            "notes": list(self.notes),
        }


def broken_promises(scenario: Scenario, tally: Tally, most_twice: int) -> list[str]:
    """What the tally of a scenario shows to have gone otherwise than promised.

    `most_twice` is how many messages the residual case can have touched.
    """
    found = []
    if not tally.messages:
        found.append("nobody wrote anything")
    if tally.unanswered:
        found.append(f"{len(tally.unanswered)} messages lost: {', '.join(tally.unanswered[:5])}")
    if len(tally.twice) > most_twice:
        found.append(f"{len(tally.twice)} answered twice: {', '.join(tally.twice[:5])}")
    if scenario.residual and not tally.twice:
        found.append("the residual case did not happen")
    if tally.astray:
        found.append(f"{len(tally.astray)} answers went astray: {', '.join(tally.astray[:5])}")
    if tally.out_of_order:
        found.append(f"{tally.out_of_order} answers out of order")
    for fate, count in tally.fates.items():
        if fate not in scenario.ends:
            found.append(f"{count} messages without an answer: {fate}")
    missing = [fate for fate in scenario.ends if fate not in (LATER, *tally.fates)]
    found += [f"no message ended so: {fate}" for fate in missing]
    if scenario.most_to_person is not None and tally.to_person > scenario.most_to_person:
        found.append(f"{tally.to_person} messages needed a person, not {scenario.most_to_person}")
    return found
