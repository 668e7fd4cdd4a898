"""Cases from production: what people corrected, took over or disliked, masked, for somebody to review."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk import feed, gateway
from frontdesk.agent_config import get_agent
from frontdesk.core import ids
from frontdesk.core.db import Connection, Session, Transaction
from frontdesk.core.json import dumps, loads
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.core.resources import Resources
from frontdesk.core.text import excerpt, folded
from frontdesk.evaluation.case_schemas import CaseBody, Labelled, PaperMessage
from frontdesk.evaluation.datasets import get_dataset, golden_of, put_cases
from frontdesk.evaluation.errors import AlreadyReviewed, NoSuchDataset, NoSuchProposal
from frontdesk.evaluation.happenings import CaseProposed
from frontdesk.evaluation.models import Origin, ProposalState
from frontdesk.evaluation.proposal_schemas import CollectionPublic, ProposalAccept, ProposalPublic
from frontdesk.evaluation.rules import Action
from frontdesk.feed import Audience
from frontdesk.observability import audit

COLLECT = "evaluation.collection"
EVERY_HOURS = 24
# What is older is not looked at the first time.
_FIRST_DAYS = 30
# What happened so shortly before a look may not have been committed by then: no transaction takes longer.
_UNSEEN_MINUTES = 15
_MOST_OF_EACH = 25
_MOST_MESSAGES = 12
_MOST_CHARACTERS = 4_000
_SHOWN_NAME = 60
# Invented, and reserved for that (RFC 2606, RFC 5737, 555-01xx, test cards): a case with placeholders
# would be refused by the output guard, which lets none through.
_STAND_INS = {
    "EMAIL": "kim{n}@example.com",
    "PHONE": "+1 202 555 01{n:02d}",
    "NAME": "Kim",
    "CARD": "4111 1111 1111 1111",
    "IBAN": "DE89 3704 0044 0532 0130 00",
    "IP": "192.0.2.{n}",
    "ID": "ID-{n}",
}
# What happened, when, and the texts that people or the agent wrote: good ones and bad ones.
_SIGNALS = {
    Origin.HUMAN_EDIT: """
        SELECT o.conversation_id, o.created_at AS at, o.created_at AS told_at,
            ARRAY[o.sent] AS good, ARRAY[o.draft] AS bad, '' AS note
        FROM draft_outcome o WHERE o.agent_id = $1 AND o.fate <> 'kept' AND o.draft <> ''
            AND o.created_at > $2""",
    Origin.THUMBS_DOWN: """
        SELECT r.conversation_id, m.created_at AS at, r.created_at AS told_at,
            NULL::text[] AS good, ARRAY[m.text] AS bad, r.comment AS note
        FROM answer_rating r JOIN message m ON m.tenant_id = r.tenant_id AND m.id = r.message_id
        WHERE r.agent_id = $1 AND r.value = 'down' AND r.created_at > $2""",
    Origin.TAKE_OVER: """
        SELECT h.conversation_id, h.created_at AS at, h.created_at AS told_at,
            NULL::text[] AS good, NULL::text[] AS bad, '' AS note
        FROM handoff h JOIN conversation k ON k.tenant_id = h.tenant_id AND k.id = h.conversation_id
        WHERE k.agent_id = $1 AND h.reason = 'taken_over' AND h.created_at > $2""",
    Origin.ESCALATION: """
        SELECT h.conversation_id, h.created_at AS at, h.created_at AS told_at,
            NULL::text[] AS good, NULL::text[] AS bad, h.rule AS note
        FROM handoff h JOIN conversation k ON k.tenant_id = h.tenant_id AND k.id = h.conversation_id
        WHERE k.agent_id = $1 AND h.created_at > $2 AND h.reason IN ('requested', 'angry',
            'low_confidence', 'model_asked', 'guard', 'rule', 'keyword', 'tool')""",
}
_THREAD = """
SELECT author, text, created_at FROM message WHERE conversation_id = $1 AND created_at < $2
    AND revoked_at IS NULL AND text <> '' AND author <> 'system'
ORDER BY created_at DESC, id DESC LIMIT $3
"""
_ANSWER = """
SELECT text FROM message WHERE conversation_id = $1 AND created_at >= $2
    AND author = 'human_agent' AND text <> '' ORDER BY created_at, id LIMIT 1
"""


async def collect_soon(session: Session, agent_id: UUID, *, user_id: UUID) -> CollectionPublic:
    """Make it due that cases are proposed from an agent's conversations; from then on each day.

    Raises:
        NoSuchAgent: the tenant has no such agent.
    """
    await get_agent(session, agent_id)
    row = await session.sql.fetchrow(
        "INSERT INTO eval_collection AS c (agent_id, due_at) VALUES ($1, now()) "
        "ON CONFLICT (tenant_id, agent_id) DO UPDATE SET due_at = now() "
        "RETURNING agent_id, due_at, through_at",
        agent_id,
    )
    await audit(session, "eval_collection.started", "agent", agent_id, user_id=user_id)
    session.ring(COLLECT, agent_id)
    assert row is not None
    return CollectionPublic.model_validate(dict(row))


async def stop_collecting(session: Session, agent_id: UUID, *, user_id: UUID) -> None:
    """Propose no more cases from an agent's conversations; raises `NoSuchAgent`."""
    await get_agent(session, agent_id)
    await session.sql.execute("DELETE FROM eval_collection WHERE agent_id = $1", agent_id)
    await audit(session, "eval_collection.stopped", "agent", agent_id, user_id=user_id)


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Agents whose conversations are to be looked through."""
    rows = await connection.fetch(
        "SELECT tenant_id, agent_id FROM eval_collection WHERE due_at <= now() "
        "ORDER BY due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["agent_id"]) for row in rows]


async def collect(resources: Resources, tenant_id: UUID, agent_id: UUID) -> None:
    """Propose cases from what has happened since the last time. Run twice, it proposes each once."""
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(
            "UPDATE eval_collection SET due_at = now() + make_interval(hours => $2) "
            "WHERE agent_id = $1 AND due_at <= now() RETURNING now() AS now, "
            "coalesce(through_at - make_interval(mins => $4), now() - make_interval(days => $3)) AS since",
            agent_id,
            EVERY_HOURS,
            _FIRST_DAYS,
            _UNSEEN_MINUTES,
        )
        if row is None:
            return
        for origin, query in _SIGNALS.items():
            signals = await tx.sql.fetch(
                f"{query} ORDER BY told_at DESC LIMIT {_MOST_OF_EACH}", agent_id, row["since"]
            )
            for signal in signals:
                await _propose(tx, agent_id, origin, signal)
        await tx.sql.execute(
            "UPDATE eval_collection SET through_at = $2 WHERE agent_id = $1", agent_id, row["now"]
        )


async def list_proposals(
    session: Session,
    agent_id: UUID,
    *,
    state: ProposalState | None,
    limit: int,
    cursor: str | None,
) -> Page[ProposalPublic]:
    """A page of an agent's proposals, newest first; raises `NoSuchAgent`, `Invalid`."""
    await get_agent(session, agent_id)
    after = decode_cursor(cursor, 1)
    rows = await session.sql.fetch(
        "SELECT * FROM eval_proposal WHERE agent_id = $1 AND ($2::text IS NULL OR state = $2) "
        "AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4",
        agent_id,
        state,
        cursor_uuid(after[0]) if after else None,
        limit + 1,
    )
    more = encode_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None
    return Page(items=[_public(row) for row in rows[:limit]], next_cursor=more)


async def accept_proposal(
    session: Session, proposal_id: UUID, wish: ProposalAccept, *, user_id: UUID
) -> ProposalPublic:
    """Put a proposed case, or what somebody made of it, into a dataset.

    Raises:
        NoSuchProposal, NoSuchDataset: there is none.
        AlreadyReviewed: it is accepted or rejected.
    """
    row = await _review(session, proposal_id, ProposalState.ACCEPTED, user_id)
    if wish.dataset_id is None:
        dataset = await golden_of(session, row["agent_id"])
    else:
        dataset = await get_dataset(session, wish.dataset_id)
    if dataset.agent_id != row["agent_id"]:
        raise NoSuchDataset(f"There is no dataset {dataset.id}.")
    case = wish.case or CaseBody.model_validate(loads(row["body"]))
    await put_cases(
        session, dataset.id, [case], user_id=user_id, conversation_id=row["conversation_id"]
    )
    return _public(row)


async def reject_proposal(session: Session, proposal_id: UUID, *, user_id: UUID) -> ProposalPublic:
    """Want no case of this; what the contact wrote there is never proposed again.

    Raises:
        NoSuchProposal: there is none.
        AlreadyReviewed: it is accepted or rejected.
    """
    return _public(await _review(session, proposal_id, ProposalState.REJECTED, user_id))


async def _review(session: Session, proposal_id: UUID, to: ProposalState, user_id: UUID) -> Any:
    row = await session.sql.fetchrow(
        "UPDATE eval_proposal SET state = $2, reviewed_by = $3, reviewed_at = now() "
        "WHERE id = $1 AND state = 'proposed' RETURNING *",
        proposal_id,
        to,
        user_id,
    )
    if row is None:
        known = await session.sql.fetchval(
            "SELECT state FROM eval_proposal WHERE id = $1", proposal_id
        )
        raise AlreadyReviewed(f"It is {known}.") if known else NoSuchProposal
    action = f"eval_proposal.{to}"
    await audit(session, action, "eval_proposal", proposal_id, user_id=user_id)
    return row


async def _propose(tx: Transaction, agent_id: UUID, origin: Origin, signal: Any) -> None:
    conversation_id = signal["conversation_id"]
    rows = await tx.sql.fetch(_THREAD, conversation_id, signal["at"], _MOST_MESSAGES)
    burst, history = _split([(row["author"], row["text"], row["created_at"]) for row in rows])
    if not burst:
        return
    good, bad = list(signal["good"] or ()), list(signal["bad"] or ())
    if origin in (Origin.TAKE_OVER, Origin.ESCALATION):
        good += [await tx.sql.fetchval(_ANSWER, conversation_id, signal["at"])]
    name = await tx.sql.fetchval(
        "SELECT c.name FROM conversation k JOIN contact c ON c.tenant_id = k.tenant_id "
        "AND c.id = k.contact_id WHERE k.id = $1",
        conversation_id,
    )
    body = _masked_case(origin, burst, history, _some(good), _some(bad), signal["note"], name)
    digest = hashlib.sha256(folded("\n".join(body.messages)).encode()).hexdigest()
    proposal_id = await tx.sql.fetchval(
        "INSERT INTO eval_proposal (id, agent_id, conversation_id, origin, content_hash, body, state) "
        "VALUES ($1, $2, $3, $4, $5, $6, 'proposed') ON CONFLICT DO NOTHING RETURNING id",
        ids.new(),
        agent_id,
        conversation_id,
        origin,
        digest,
        dumps(body),
    )
    if proposal_id is not None:
        told = CaseProposed(proposal_id=proposal_id, origin=origin)
        feed.tell(tx, told, Audience.ADMINS)


def _split(
    newest_first: Sequence[tuple[str, str, datetime]],
) -> tuple[list[str], list[tuple[str, str, datetime]]]:
    """What the contact wrote last, and what stands before that, both oldest first."""
    burst: list[str] = []
    for author, text, _ in newest_first:
        if author != "contact":
            break
        burst.insert(0, text)
    return burst, list(reversed(newest_first[len(burst) :]))


def _some(texts: Sequence[str | None]) -> list[str]:
    return [text for text in texts if text]


def _masked_case(
    origin: Origin,
    burst: Sequence[str],
    history: Sequence[tuple[str, str, datetime]],
    good: Sequence[str],
    bad: Sequence[str],
    note: str,
    contact_name: str | None,
) -> CaseBody:
    """A case in which nothing personal stands: the gateway's masking, with invented values."""
    names = (contact_name,) if contact_name else ()
    texts = [*burst, *(text for _, text, _ in history), *good, *bad, note or ""]
    masked = iter(
        [
            gateway.with_stand_ins(text, _STAND_INS)[:_MOST_CHARACTERS]
            for text in gateway.mask_texts(texts, gateway.Masking(names=names))
        ]
    )
    messages = [next(masked) for _ in burst]
    lines = [PaperMessage(author=a, text=next(masked), at=at) for a, _, at in history]
    liked = [Labelled(answer=next(masked), passes=True) for _ in good]
    disliked = [Labelled(answer=next(masked), passes=False) for _ in bad]
    why = excerpt(next(masked), 300)
    rubric = f"It is as good as what a person answered: {liked[0].answer[:1_500]}" if liked else ""
    if disliked and not liked:
        rubric = "It is better than the answer that was disliked" + (f": {why}" if why else ".")
    return CaseBody(
        name=excerpt(f"{origin.value}: {messages[-1]}", _SHOWN_NAME)
        + f" ({hashlib.sha256(chr(10).join(messages).encode()).hexdigest()[:6]})",
        messages=messages,
        history=lines,
        rubric=rubric,
        labelled=[*liked, *disliked],
        action=Action.HAND_OFF if origin is Origin.ESCALATION else Action.ANY,
        tags=[origin.value],
    )


def _public(row: Any) -> ProposalPublic:
    return ProposalPublic.model_validate({**row, "body": loads(row["body"])})
