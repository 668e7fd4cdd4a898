"""How often contacts say again to people what the packet had told them: the measure of a handoff."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from frontdesk.agent_config import NoSuchAgent
from frontdesk.core.db import Transaction
from frontdesk.core.json import loads
from frontdesk.core.text import folded
from frontdesk.escalation.suggestion_schemas import RepetitionPublic

_MOST_MESSAGES = 200
# Shorter ones are in every other sentence.
_LEAST_LETTERS = 4
# A fact without a number is repeated when so much of it comes again.
_LEAST_WORDS, _LEAST_SHARE = 3, 0.8
_WORD = re.compile(r"\w[\w.@+-]*\w|\w")


def repeats(fact: str, message: str) -> bool:
    """Whether a message says again what a fact says.

    It does when the fact stands in it as it is, or all its numbers do; where a fact has no number of
    three digits or more, when nearly all its longer words do.
    """
    told, said = folded(fact).strip(" .!?"), folded(message)
    if not told:
        return False
    words = set(_WORD.findall(said))
    if f" {told} " in f" {' '.join(_WORD.findall(said))} ":
        return True
    numbers = {word for word in _WORD.findall(told) if sum(c.isdigit() for c in word) >= 3}
    if numbers:
        return numbers <= words
    telling = {word for word in _WORD.findall(told) if len(word) >= _LEAST_LETTERS}
    return len(telling) >= _LEAST_WORDS and len(telling & words) >= _LEAST_SHARE * len(telling)


def count_repeated(facts: Iterable[str], messages: Iterable[str]) -> tuple[int, int]:
    """How many facts there are, each once, and how many of them a message says again."""
    given = list({folded(fact): fact for fact in facts if fact.strip()}.values())
    said = list(messages)
    return len(given), sum(any(repeats(fact, text) for text in said) for fact in given)


async def measure_repetition(tx: Transaction, handoff: Any) -> None:
    """Write down for a handoff that has ended how many facts of its packet came again in it."""
    facts = [fact["text"] for fact in loads(handoff["packet"]).get("facts", [])]
    rows = await tx.sql.fetch(
        "SELECT text FROM message WHERE conversation_id = $1 AND author = 'contact' "
        "AND created_at > $2 AND ignored_reason IS NULL ORDER BY created_at LIMIT $3",
        handoff["conversation_id"],
        handoff["created_at"],
        _MOST_MESSAGES,
    )
    given, repeated = count_repeated(facts, (row["text"] for row in rows))
    await tx.sql.execute(
        "UPDATE handoff SET facts_given = $2, facts_repeated = $3 WHERE id = $1",
        handoff["id"],
        given,
        repeated,
    )


_REPORT = """
SELECT k.agent_id, (h.ended_at AT TIME ZONE 'UTC')::date AS day, count(*) AS handoffs,
    count(*) FILTER (WHERE h.facts_repeated > 0) AS handoffs_with_repetition,
    sum(h.facts_given)::int AS facts_given, sum(h.facts_repeated)::int AS facts_repeated
FROM handoff h JOIN conversation k ON k.tenant_id = h.tenant_id AND k.id = h.conversation_id
WHERE h.facts_given IS NOT NULL AND h.ended_at >= $1::date::timestamp AT TIME ZONE 'UTC'
    AND h.ended_at < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
    AND ($3::uuid IS NULL OR k.agent_id = $3)
GROUP BY 1, 2 ORDER BY 2 DESC, 1
"""


async def report_repetition(
    tx: Transaction, first: date, last: date, agent_id: UUID | None
) -> list[RepetitionPublic]:
    """The measure by agent and day (UTC), newest day first.

    Raises:
        NoSuchAgent: one is asked for that there is not.
    """
    await must_know_agent(tx, agent_id)
    rows = await tx.sql.fetch(_REPORT, first, last, agent_id)
    return [RepetitionPublic.model_validate(dict(row)) for row in rows]


async def must_know_agent(tx: Transaction, agent_id: UUID | None) -> None:
    """Refuse an agent that is asked for and is not there; raises `NoSuchAgent`."""
    known = "SELECT 1 FROM agent WHERE id = $1"
    if agent_id is not None and await tx.sql.fetchval(known, agent_id) is None:
        raise NoSuchAgent(f"There is no agent {agent_id}.")
