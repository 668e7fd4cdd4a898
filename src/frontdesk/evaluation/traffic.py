"""What contacts wrote lately, drawn evenly, and played again on paper with a candidate.

A burst is played with what stood before it in the thread. What was remembered then is not known any
more, so of a thread longer than what is shown word for word the beginning is missing, as it is for
nobody in the desk; and nobody knows what a contact would have written to another answer.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from frontdesk.conversation import HISTORY_MESSAGES
from frontdesk.core.db import Transaction
from frontdesk.core.resources import Resources
from frontdesk.evaluation.candidates import Pinned
from frontdesk.evaluation.case_schemas import CaseBody, PaperContact, PaperMessage
from frontdesk.evaluation.costs import Costs
from frontdesk.evaluation.judging import ANY_GOOD_ANSWER, judge
from frontdesk.evaluation.playing import NO_ANSWER, play
from frontdesk.evaluation.rules import Action
from frontdesk.evaluation.schemas import BeforePublic, CaseResult, TrafficCreate
from frontdesk.evaluation.summary import total_usd

_ACTIONS = {
    "replied": Action.REPLY,
    "handoff": Action.HAND_OFF,
    "ignored": Action.IGNORE,
    "refused": Action.REFUSE,
}
# The same for every try of a run, whatever has been written since it was asked for.
_TURNS = """
SELECT t.id, t.conversation_id, t.from_seq, t.to_seq, t.outcome, t.cost_usd, t.latency_seconds,
    c.name AS contact_name,
    (SELECT string_agg(m.text, E'\\n' ORDER BY m.id) FROM message m WHERE m.turn_id = t.id
        AND m.conversation_id = t.conversation_id AND m.author = 'agent') AS answer
FROM eval_run r
JOIN conversation k ON k.tenant_id = r.tenant_id AND k.agent_id = r.agent_id
    AND k.last_activity_at >= r.created_at - make_interval(days => $2)
JOIN contact c ON c.tenant_id = k.tenant_id AND c.id = k.contact_id
JOIN turn t ON t.tenant_id = k.tenant_id AND t.conversation_id = k.id AND t.by = 'agent'
    AND t.created_at BETWEEN r.created_at - make_interval(days => $2) AND r.created_at
WHERE r.id = $1
ORDER BY md5(r.id::text || t.id::text) LIMIT $3
"""
_THREAD = """
SELECT author, text, created_at, seq BETWEEN $2 AND $3 AS fresh FROM (
    SELECT * FROM message WHERE conversation_id = $1 AND revoked_at IS NULL AND text <> ''
        AND author <> 'system'
        AND created_at <= (SELECT max(created_at) FROM message
            WHERE conversation_id = $1 AND seq BETWEEN $2 AND $3)
        AND (seq IS NULL OR seq <= $3)
    ORDER BY created_at DESC, id DESC LIMIT $4) AS lately
ORDER BY created_at, id
"""
_MOST_BURST = 20


@dataclass(frozen=True)
class Burst:
    """What a contact wrote, what stood before it, and what had become of it."""

    turn_id: UUID
    conversation_id: UUID
    case: CaseBody
    action: Action
    answer: str
    cost_usd: Decimal | None
    seconds: float | None


async def sample(tx: Transaction, run_id: UUID, wish: dict[str, Any]) -> list[Burst]:
    """Bursts of the days before the run was asked for; the same ones each time."""
    asked = TrafficCreate.model_validate({"candidate": {}, **wish})
    rows = await tx.sql.fetch(_TURNS, run_id, asked.days, asked.sample)
    found = [await _burst(tx, row) for row in rows]
    return [burst for burst in found if burst is not None]


async def play_burst(
    resources: Resources, tenant_id: UUID, pinned: Pinned, burst: Burst
) -> CaseResult:
    """What a candidate makes of a burst, beside what had become of it; the judge sees both."""
    result = await play(resources, tenant_id, pinned, burst.turn_id, burst.case)
    judged, costs = None, Costs()
    if result.judged is not None and burst.answer:
        try:
            judged = await judge(
                resources,
                tenant_id,
                pinned.agent,
                asked=burst.case.messages,
                answer=burst.answer,
                rubric=ANY_GOOD_ANSWER,
                contact_name=burst.case.contact.name,
                costs=costs,
            )
        except NO_ANSWER:
            judged = None
    before = BeforePublic(
        action=burst.action, cost_usd=burst.cost_usd, seconds=burst.seconds, judged=judged
    )
    around = total_usd([result.around_usd, costs.usd])
    return result.model_copy(update={"before": before, "around_usd": around})


async def _burst(tx: Transaction, row: Any) -> Burst | None:
    lines = await tx.sql.fetch(
        _THREAD,
        row["conversation_id"],
        row["from_seq"],
        row["to_seq"],
        HISTORY_MESSAGES + _MOST_BURST,
    )
    messages = [line["text"][:4_096] for line in lines if line["fresh"]]
    if not messages:
        return None  # Pictures only, or the contact has taken it back.
    history = [
        PaperMessage(author=line["author"], text=line["text"][:4_096], at=line["created_at"])
        for line in lines
        if not line["fresh"]
    ]
    case = CaseBody(
        name=f"Turn {row['id']}",
        messages=messages[-_MOST_BURST:],
        history=history[-HISTORY_MESSAGES:],
        contact=PaperContact(name=row["contact_name"] and row["contact_name"][:500]),
        action=Action.ANY,
        rubric=ANY_GOOD_ANSWER,
    )
    return Burst(
        turn_id=row["id"],
        conversation_id=row["conversation_id"],
        case=case,
        action=_ACTIONS[row["outcome"]],
        answer=row["answer"] or "",
        cost_usd=row["cost_usd"],
        seconds=row["latency_seconds"],
    )
