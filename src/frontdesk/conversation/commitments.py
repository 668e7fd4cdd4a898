"""Commitments: what the AI and the people have promised to contacts, and that it is not forgotten."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from frontdesk import feed
from frontdesk.conversation.commitment_models import Commitment, CommitmentState
from frontdesk.conversation.commitment_schemas import CommitmentPublic, Settlement
from frontdesk.conversation.errors import AlreadySettled, NoSuchCommitment
from frontdesk.conversation.happenings import (
    CommitmentDue,
    CommitmentOpened,
    CommitmentSettled,
)
from frontdesk.conversation.inbox import get_conversation
from frontdesk.conversation.memory import Remembered
from frontdesk.conversation.models import Actor
from frontdesk.conversation.promising import Sounding, find_promises
from frontdesk.core import ids
from frontdesk.core.db import Connection, Session, Transaction
from frontdesk.core.pages import Page, newest_page
from frontdesk.messaging import OutboundArrived, OutboundFailed
from frontdesk.observability import audit

COMMITMENT = "conversation.commitment"
# Who has promised something hears of it while it can still be done.
REMIND_BEFORE = timedelta(hours=4)
LONGEST_TEXT = 300
_MOST_OF_ONE_MESSAGE = 5


class CommitmentView(StrEnum):
    """Which commitments are asked for."""

    OPEN = "open"
    DUE = "due"
    KEPT = "kept"
    CANCELLED = "cancelled"


async def notice(
    tx: Transaction,
    conversation_id: UUID,
    message_id: UUID,
    text: str,
    *,
    by: Actor,
    user_id: UUID | None,
    language: str | None,
) -> None:
    """If a message of the business sounds like a promise, make it due that it is read."""
    if not find_promises(text, language, datetime.now(UTC)):
        return
    commitment_id = ids.new()
    await tx.sql.execute(
        "INSERT INTO commitment (id, conversation_id, message_id, by, user_id, text, state, due_at) "
        "VALUES ($1, $2, $3, $4, $5, '', 'noticed', now())",
        commitment_id,
        conversation_id,
        message_id,
        by,
        user_id,
    )
    tx.ring(COMMITMENT, commitment_id)


async def forget_failed(tx: Transaction, event: OutboundFailed) -> None:
    """Subscriber: what was promised in a message that will not arrive was promised to nobody."""
    rows = await tx.sql.fetch(
        "SELECT id FROM commitment WHERE message_id = $1 AND state IN ('noticed', 'open') ORDER BY id",
        event.outbound_id,
    )
    for row in rows:
        await dismiss(tx, row["id"])


async def notice_arrived(tx: Transaction, event: OutboundArrived) -> None:
    """Subscriber: what was promised in a message that arrived after all is read anew."""
    await notice_again(tx, event.outbound_id)


async def notice_again(tx: Transaction, message_id: UUID) -> None:
    """A message that failed is sent again, or has arrived: what it promises is read anew."""
    await tx.sql.execute(
        "DELETE FROM commitment WHERE message_id = $1 AND place > 0 AND state = 'dismissed'",
        message_id,
    )
    commitment_id = await tx.sql.fetchval(
        "UPDATE commitment SET state = 'noticed', due_at = now(), attempts = 0 "
        "WHERE message_id = $1 AND state = 'dismissed' RETURNING id",
        message_id,
    )
    if commitment_id is not None:
        tx.ring(COMMITMENT, commitment_id)


async def dismiss(tx: Transaction, commitment_id: UUID) -> None:
    """Forget what was promised in a message that the contact never got; of an open promise dashboards
    hear."""
    row = await tx.sql.fetchrow(
        "UPDATE commitment c SET state = 'dismissed', due_at = NULL FROM commitment before "
        "WHERE c.id = $1 AND c.state IN ('noticed', 'open') AND before.tenant_id = c.tenant_id "
        "AND before.id = c.id RETURNING c.conversation_id, before.state",
        commitment_id,
    )
    if row is not None and row["state"] == CommitmentState.OPEN:
        told = CommitmentSettled(
            commitment_id=commitment_id,
            conversation_id=row["conversation_id"],
            state=CommitmentState.DISMISSED,
            user_id=None,
        )
        feed.tell(tx, told)


async def open_noticed(
    tx: Transaction, commitment_id: UUID, found: Sequence[Sounding], *, read_by: str
) -> None:
    """Write down what a noticed message was read to promise; nothing: that it was none.

    Nothing happens when it has been read meanwhile.
    """
    read = await tx.sql.fetchrow(
        "UPDATE commitment SET state = 'dismissed', due_at = NULL, read_by = $2 "
        "WHERE id = $1 AND state = 'noticed' RETURNING *",
        commitment_id,
        read_by,
    )
    if read is None:
        return
    for place, promise in enumerate(found[:_MOST_OF_ONE_MESSAGE]):
        await _open(tx, dict(read), promise, place=place, read_by=read_by)


_OPEN = """
INSERT INTO commitment (id, conversation_id, message_id, place, by, user_id, text, state,
    promised_for, read_by, due_at, reminders)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', $8, $9, $10, $11)
ON CONFLICT (tenant_id, message_id, place) DO UPDATE SET text = excluded.text, state = 'open',
    promised_for = excluded.promised_for, read_by = excluded.read_by, due_at = excluded.due_at,
    reminders = excluded.reminders, attempts = 0
    WHERE commitment.state = 'dismissed' AND commitment.id = excluded.id
RETURNING id
"""


async def _open(
    tx: Transaction, read: dict[str, Any], promise: Sounding, *, place: int, read_by: str
) -> None:
    now = datetime.now(UTC)
    due_at, reminders = next_reminder(promise.promised_for, 0, now)
    opened = await tx.sql.fetchval(
        _OPEN,
        read["id"] if place == 0 else ids.new(),
        read["conversation_id"],
        read["message_id"],
        place,
        read["by"],
        read["user_id"],
        promise.text[:LONGEST_TEXT],
        promise.promised_for,
        read_by,
        due_at,
        reminders,
    )
    if opened is not None:
        told = CommitmentOpened(
            commitment_id=opened,
            conversation_id=read["conversation_id"],
            text=promise.text[:LONGEST_TEXT],
            promised_for=promise.promised_for,
        )
        feed.tell(tx, told)


async def adopt(tx: Transaction, conversation_id: UUID, promises: Sequence[Remembered]) -> None:
    """Take over what the summary of a long conversation holds as promised, where nothing is known of
    that message yet."""
    for promise in promises:
        row = await tx.sql.fetchrow(
            "SELECT author, user_id, text, created_at FROM message m WHERE id = $1 "
            "AND author IN ('agent', 'human_agent') AND NOT EXISTS (SELECT 1 FROM commitment c "
            "WHERE c.tenant_id = m.tenant_id AND c.message_id = m.id) AND NOT EXISTS (SELECT 1 "
            "FROM outbound o WHERE o.tenant_id = m.tenant_id AND o.id = m.id AND o.state <> 'sent')",
            promise.message_id,
        )
        if row is None:
            continue
        said = find_promises(row["text"], None, row["created_at"])
        until = next((each.promised_for for each in said if each.promised_for), None)
        of_message = {
            "id": ids.new(),
            "conversation_id": conversation_id,
            "message_id": promise.message_id,
            "by": row["author"],
            "user_id": row["user_id"],
        }
        await _open(tx, of_message, Sounding(promise.text, until), place=0, read_by="memory")


async def list_promises(tx: Transaction, conversation_id: UUID) -> list[str]:
    """What a contact has been promised and is still waiting for, oldest first."""
    rows = await tx.sql.fetch(
        "SELECT text FROM commitment c WHERE conversation_id = $1 AND state = 'open' AND NOT EXISTS "
        "(SELECT 1 FROM outbound o WHERE o.tenant_id = c.tenant_id AND o.id = c.message_id "
        "AND o.state IN ('failed', 'cancelled')) ORDER BY id LIMIT 20",
        conversation_id,
    )
    return [row["text"] for row in rows]


def next_reminder(
    promised_for: datetime | None, reminders: int, now: datetime
) -> tuple[datetime | None, int]:
    """When to remind next of a promise, and how many reminders that leaves behind or out.

    Once before its time and once at it; what is promised for sooner than that, only at its time.
    """
    if promised_for is None or reminders > 1:
        return None, reminders
    if reminders == 0 and promised_for - REMIND_BEFORE > now:
        return promised_for - REMIND_BEFORE, 0
    return promised_for, 1


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Commitments to be read or reminded of: the first of every tenant before the second of any."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM commitment WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def remind(tx: Transaction, commitment_id: UUID, now: datetime) -> None:
    """Remind of an open promise whose reminder is due, once, and set the next."""
    row = await tx.sql.fetchrow(
        "SELECT c.*, k.assigned_user_id FROM commitment c JOIN conversation k "
        "ON k.tenant_id = c.tenant_id AND k.id = c.conversation_id "
        "WHERE c.id = $1 AND c.state = 'open' AND c.due_at IS NOT NULL FOR UPDATE OF c",
        commitment_id,
    )
    if row is None:
        return
    due_at, reminders = next_reminder(row["promised_for"], row["reminders"] + 1, now)
    await tx.sql.execute(
        "UPDATE commitment SET due_at = $2, reminders = $3, attempts = 0 WHERE id = $1",
        commitment_id,
        due_at,
        reminders,
    )
    told = CommitmentDue(
        commitment_id=commitment_id,
        conversation_id=row["conversation_id"],
        # Whose it is by now, else who said it.
        user_id=row["assigned_user_id"] or row["user_id"],
        promised_for=row["promised_for"],
        is_overdue=row["promised_for"] <= now,
    )
    feed.tell(tx, told)
    details = {"is_overdue": told.is_overdue}
    await audit(tx, "commitment.reminded", "commitment", commitment_id, details=details)


# An open promise in a message that was withdrawn was made to nobody.
_WAS_SAID = sa.text(
    "NOT (commitment.state = 'open' AND EXISTS (SELECT 1 FROM outbound o "
    "WHERE o.tenant_id = commitment.tenant_id AND o.id = commitment.message_id "
    "AND o.state IN ('failed', 'cancelled')))"
)


async def list_commitments(
    session: Session,
    view: CommitmentView | None,
    conversation_id: UUID | None,
    *,
    now: datetime,
    limit: int,
    cursor: str | None,
) -> Page[CommitmentPublic]:
    """A page of commitments, newest first; what only sounded like one is none.

    Raises:
        NoSuchConversation: those of one are asked for that there is not.
    """
    query = select(Commitment).where(
        col(Commitment.state).not_in([CommitmentState.NOTICED, CommitmentState.DISMISSED]),
        _WAS_SAID,
    )
    if conversation_id is not None:
        await get_conversation(session, conversation_id)
        query = query.where(Commitment.conversation_id == conversation_id)
    if view is CommitmentView.DUE:
        query = query.where(
            Commitment.state == CommitmentState.OPEN, col(Commitment.promised_for) <= now
        )
    elif view is not None:
        query = query.where(Commitment.state == CommitmentState(view.value))
    return await newest_page(
        session,
        query,
        col(Commitment.id),
        CommitmentPublic.model_validate,
        limit=limit,
        cursor=cursor,
    )


async def settle(
    session: Session, commitment_id: UUID, settlement: Settlement, *, user_id: UUID
) -> CommitmentPublic:
    """Mark a promise as kept or cancelled. Safe to repeat.

    Raises:
        NoSuchCommitment: there is none.
        AlreadySettled: it has been settled the other way.
    """
    query = (
        select(Commitment)
        .where(
            Commitment.id == commitment_id,
            col(Commitment.state).not_in([CommitmentState.NOTICED, CommitmentState.DISMISSED]),
        )
        .with_for_update()
    )
    row = (await session.exec(query)).one_or_none()
    if row is None:
        raise NoSuchCommitment(f"There is no commitment {commitment_id}.")
    if row.state not in (CommitmentState.OPEN, settlement.value):
        raise AlreadySettled(f"It is {row.state} already.")
    if row.state == CommitmentState.OPEN:
        row.state, row.due_at = CommitmentState(settlement.value), None
        row.settled_at, row.settled_by = datetime.now(UTC), user_id
        await session.flush()
        told = CommitmentSettled(
            commitment_id=row.id,
            conversation_id=row.conversation_id,
            state=row.state,
            user_id=user_id,
        )
        feed.tell(session, told)
        await audit(session, f"commitment.{row.state}", "commitment", row.id, user_id=user_id)
    return CommitmentPublic.model_validate(row)
