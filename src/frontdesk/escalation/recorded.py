"""What turns have seen, read from their traces: signals that rules can be asked about once more."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from frontdesk.core.db import Transaction
from frontdesk.core.json import loads
from frontdesk.escalation.rules import NO_REASON, Past, Signals

_MOST_TURNS = 10
_FAILED = ("failed", "timed_out")
Trace = Iterable[Mapping[str, Any]]


def signals_of(trace: Trace) -> Signals:
    """What a turn knew by its end, apart from what the contact said and when."""
    mood = confidence = asked_for_person = None
    tools: list[str] = []
    agent_asked = budget = refused = None
    model_down = None
    for line in trace:
        match line.get("stage"):
            case "triage":
                mood = line.get("sentiment", mood)
                asked_for_person = line.get("wants_person", asked_for_person)
            case "reply" | "repair":
                confidence = line.get("confidence", confidence)
                if "error" in line:
                    model_down = True
                if "action" in line:
                    asks = line["action"] == "escalate"
                    agent_asked = (line.get("reasoning") or NO_REASON) if asks else ""
            case "tool":
                tools.append(str(line.get("status")))
            case "guard":
                refused = line.get("problem") or ""
            case "budget":
                budget = str(line.get("reason"))
    return Signals(
        asked_for_person=asked_for_person,
        mood=mood,
        confidence=confidence,
        failed_tools=sum(status in _FAILED for status in tools) if confidence is not None else None,
        agent_asked=agent_asked,
        budget_spent=budget,
        model_down=model_down,
        refused=refused,
    )


def past_of(turns: Iterable[tuple[str, Signals]]) -> Past:
    """What turns add up to.

    Args:
        turns: the outcome of each and what it knew, oldest first.
    """
    moods: list[float] = []
    confidences: list[float] = []
    for outcome, seen in turns:
        if seen.mood is not None:
            moods.append(seen.mood)
        if outcome == "refused":
            confidences.append(0.0)
        elif seen.confidence is not None:
            confidences.append(seen.confidence)
    return Past(tuple(moods[-_MOST_TURNS:]), tuple(confidences[-_MOST_TURNS:]))


async def load_past(tx: Transaction, conversation_id: UUID) -> Past:
    """What the last turns of a conversation have shown."""
    rows = await tx.sql.fetch(
        "SELECT outcome, trace FROM turn WHERE conversation_id = $1 AND by = 'agent' "
        "ORDER BY to_seq DESC LIMIT $2",
        conversation_id,
        _MOST_TURNS,
    )
    return past_of((row["outcome"], signals_of(loads(row["trace"]))) for row in reversed(rows))
