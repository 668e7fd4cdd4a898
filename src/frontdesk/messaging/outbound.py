"""Messages on their way to WhatsApp: the state of each, and the statements that move it.

    pending ─mark─▶ sending ─┬─▶ sent ◀──────────────── any status of ours
       ▲                     ├─▶ failed                 refused for good
       ├── throttled ────────┤
       └── evidence ── unknown ──▶ needs_attention      a person decides

The Graph API has no idempotency key, so a send whose outcome is unknown is repeated on evidence
only: a webhook of the same channel, later than the send, and still no status of this message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk import billing, feed
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.events import publish
from frontdesk.core.json import dumps
from frontdesk.messaging.errors import NotUncertain
from frontdesk.messaging.events import OutboundFailed
from frontdesk.messaging.incoming_items import Status
from frontdesk.messaging.models import Origin

OUTBOUND = "messaging.outbound"
# A send that took longer than this is not running any more; its outcome is unknown.
SENDING_DEADLINE_SECONDS = 30
MAX_UNKNOWN_ATTEMPTS = 3
UNKNOWN_PATIENCE_SECONDS = 15 * 60
# Provider times are whole seconds: a webhook must be clearly later than the send to prove anything.
EVIDENCE_MARGIN_SECONDS = 2
STATUS_RANK = ("sent", "delivered", "read", "played")


@dataclass(frozen=True)
class NewOutbound:
    """A message to be sent. `id` is the id of the conversation's message."""

    id: UUID
    conversation_id: UUID
    channel_id: UUID
    origin: Origin
    epoch: int
    content: dict[str, Any]  # The wire body, as `outgoing.text_message` makes it.
    turn_id: UUID | None = None
    seq: int = 0
    client_key: str | None = None


async def enqueue(tx: Transaction, new: NewOutbound) -> None:
    """Make a message due to be sent as soon as this transaction commits."""
    await tx.sql.execute(
        "INSERT INTO outbound (id, conversation_id, channel_id, turn_id, seq, origin, epoch, "
        "client_key, content) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.id,
        new.conversation_id,
        new.channel_id,
        new.turn_id,
        new.seq,
        new.origin,
        new.epoch,
        new.client_key,
        dumps(new.content),
    )
    tx.ring(OUTBOUND, new.id)


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Rows to send, to look after, or whose outcome is to be found out; a turn for each tenant."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM (SELECT tenant_id, id, row_number() OVER (PARTITION BY "
        "tenant_id ORDER BY due_at) AS turn, due_at FROM outbound "
        "WHERE state IN ('pending', 'sending', 'unknown') AND due_at <= now()) fair "
        "ORDER BY turn, due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def cancel_pending(tx: Transaction, conversation_id: UUID, *, origin: Origin) -> int:
    """Withdraw what has not left yet; how many there were."""
    rows = await tx.sql.fetch(
        "UPDATE outbound SET state = 'cancelled', finished_at = now() "
        "WHERE conversation_id = $1 AND origin = $2 AND state = 'pending' RETURNING id",
        conversation_id,
        origin,
    )
    for row in rows:
        tell(tx, row["id"], conversation_id, "cancelled")
    return len(rows)


async def in_flight(tx: Transaction, conversation_id: UUID, *, origin: Origin) -> bool:
    """Whether a message is on the wire right now, or its outcome is unknown."""
    found = await tx.sql.fetchval(
        "SELECT 1 FROM outbound WHERE conversation_id = $1 AND origin = $2 "
        "AND state IN ('sending', 'unknown') LIMIT 1",
        conversation_id,
        origin,
    )
    return found is not None


async def apply_status(tx: Transaction, channel_id: UUID, status: Status) -> bool:
    """Move a message to what WhatsApp says of it; False when the message is not known (yet).

    Only ever forwards: statuses come doubled, reversed and late. Any status proves that the send
    was accepted, so it also settles a send whose outcome was unknown.
    """
    if status.status == "failed":
        return await _apply_failure(tx, channel_id, status)
    if status.status not in STATUS_RANK:
        return True
    row = await tx.sql.fetchrow(
        f"""UPDATE outbound SET
            state = CASE WHEN state IN ('pending', 'sending', 'unknown', 'needs_attention',
                                        'failed') THEN 'sent' ELSE state END,
            wamid = coalesce(wamid, $3), delivery = $4, delivery_at = $5,
            finished_at = coalesce(finished_at, now()),
            pricing = coalesce($6, pricing), error_code = NULL, last_error = NULL
        WHERE {_MATCH} AND coalesce(array_position($7::text[], delivery::text), 0)
                           < array_position($7::text[], $4::text)
        RETURNING id, conversation_id, origin""",  # noqa: S608  # Only constants are put in.
        outbound_id_of(status.callback_data),
        channel_id,
        status.wamid,
        status.status,
        status.provider_at,
        dumps(_pricing(status)) if status.pricing else None,
        list(STATUS_RANK),
    )
    if row is None:
        return await _is_known(tx, channel_id, status)
    tell(tx, row["id"], row["conversation_id"], status.status)
    if status.pricing and status.status in ("delivered", "read"):
        await billing.record_delivery(
            tx,
            row["id"],
            conversation_id=row["conversation_id"],
            category=status.pricing.category or "unknown",
            # A user id begins with the country; a bare phone number is not taken apart here.
            country=status.recipient.bsuid[:2] if status.recipient.bsuid else None,
            pricing_type=status.pricing.type,
        )
    return True


async def _apply_failure(tx: Transaction, channel_id: UUID, status: Status) -> bool:
    error = status.errors[0] if status.errors else None
    reason = error.details or error.title if error else "WhatsApp could not deliver it."
    row = await tx.sql.fetchrow(
        f"""UPDATE outbound SET state = 'failed', delivery = 'failed', delivery_at = $4,
            wamid = coalesce(wamid, $3), finished_at = coalesce(finished_at, now()),
            error_code = $5, last_error = $6
        WHERE {_MATCH} AND state <> 'failed'
          AND (delivery IS NULL OR delivery = 'sent')
        RETURNING id, conversation_id, origin""",  # noqa: S608  # Only constants are put in.
        outbound_id_of(status.callback_data),
        channel_id,
        status.wamid,
        status.provider_at,
        error.code if error else None,
        reason,
    )
    if row is None:
        return await _is_known(tx, channel_id, status)
    await announce_failure(tx, row["id"], row["conversation_id"], row["origin"], reason)
    return True


async def announce_failure(
    tx: Transaction, outbound_id: UUID, conversation_id: UUID, origin: str, reason: str
) -> None:
    """Tell dashboards and the contexts above that a message will not arrive."""
    tell(tx, outbound_id, conversation_id, "failed", reason)
    await publish(
        tx,
        OutboundFailed(
            tenant_id=tx.tenant_id,
            outbound_id=outbound_id,
            conversation_id=conversation_id,
            origin=origin,
            reason=reason,
        ),
    )


async def resolve_uncertain(tx: Transaction, outbound_id: UUID, *, arrived: bool) -> None:
    """A person decides what became of a message whose outcome nobody could find out.

    Raises:
        NotFound: there is no such message.
        NotUncertain: its outcome is known.
    """
    row = await tx.sql.fetchrow(
        "SELECT state, conversation_id FROM outbound WHERE id = $1 FOR UPDATE", outbound_id
    )
    if row is None:
        raise NotFound("There is no such message.")
    if row["state"] != "needs_attention":
        raise NotUncertain(f"The message is {row['state']}.")
    if arrived:
        await tx.sql.execute(
            "UPDATE outbound SET state = 'sent', finished_at = now() WHERE id = $1", outbound_id
        )
        tell(tx, outbound_id, row["conversation_id"], "sent")
    else:
        # A person's own decision to send again: whoever owned the conversation then no longer
        # matters, so the row goes on as theirs.
        await tx.sql.execute(
            "UPDATE outbound SET state = 'pending', origin = 'human_agent', due_at = now() "
            "WHERE id = $1",
            outbound_id,
        )
        tx.ring(OUTBOUND, outbound_id)
        tell(tx, outbound_id, row["conversation_id"], "pending")


def tell(
    tx: Transaction, outbound_id: UUID, conversation_id: UUID, state: str, reason: str | None = None
) -> None:
    """Put a change of a message's state on the feed."""
    payload: dict[str, Any] = {
        "message_id": outbound_id,
        "conversation_id": conversation_id,
        "state": state,
    }
    if reason:
        payload["reason"] = reason
    feed.append(tx, "message.state", payload)


def callback_data(outbound_id: UUID, attempt: int) -> str:
    """What every status of this attempt will carry back."""
    return f"{outbound_id}.{attempt}"


def outbound_id_of(callback: str | None) -> UUID | None:
    """The message a status's callback data names, or None when it is not ours."""
    if not callback:
        return None
    try:
        return UUID(callback.partition(".")[0])
    except ValueError:
        return None


# Callback data first, the wamid second: it may not have been stored yet.
_MATCH = "(id = $1 OR ($1::uuid IS NULL AND channel_id = $2 AND wamid = $3))"


async def _is_known(tx: Transaction, channel_id: UUID, status: Status) -> bool:
    found = await tx.sql.fetchval(
        f"SELECT 1 FROM outbound WHERE {_MATCH}",  # noqa: S608  # Only constants are put in.
        outbound_id_of(status.callback_data),
        channel_id,
        status.wamid,
    )
    return found is not None


def _pricing(status: Status) -> dict[str, Any]:
    assert status.pricing is not None
    return {
        "category": status.pricing.category,
        "type": status.pricing.type,
        "model": status.pricing.model,
    }


@dataclass(frozen=True)
class Uncertain:
    """A send whose outcome is unknown, and what speaks for repeating it."""

    attempt: int
    sending_since: datetime
    channel_alive_at: datetime | None
    now: datetime


def resend_is_proven(facts: Uncertain) -> bool:
    """Whether the channel has been heard from since the send, and yet not about this message."""
    if facts.channel_alive_at is None or facts.attempt >= MAX_UNKNOWN_ATTEMPTS:
        return False
    later = (facts.channel_alive_at - facts.sending_since).total_seconds()
    return later > EVIDENCE_MARGIN_SECONDS


def is_hopeless(facts: Uncertain) -> bool:
    """Whether a person has to decide: too many attempts, or no word for too long."""
    waited = (facts.now - facts.sending_since).total_seconds()
    return facts.attempt >= MAX_UNKNOWN_ATTEMPTS or waited > UNKNOWN_PATIENCE_SECONDS
