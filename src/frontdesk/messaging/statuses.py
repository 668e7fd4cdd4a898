"""What WhatsApp's statuses say of our messages. Only ever forwards: they come doubled, reversed, late.

Any status proves that the send was accepted, so it also settles one whose outcome was unknown.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from frontdesk import billing
from frontdesk.billing import DeliveredMessage
from frontdesk.core.db import Transaction
from frontdesk.core.events import publish
from frontdesk.core.json import dumps
from frontdesk.messaging.countries import country_of
from frontdesk.messaging.events import OutboundArrived
from frontdesk.messaging.graph_errors import FailureClass, classify_code
from frontdesk.messaging.happenings import MOVED, tell_moved
from frontdesk.messaging.incoming_items import ErrorDetail, Status
from frontdesk.messaging.outbound import announce_failure, attempt_of, outbound_id_of

STATUS_RANK = ("sent", "delivered", "read", "played")

# The rows are locked in the order of their ids, so that two batches can't wait for each other. Each
# scan names the ids: a plan made while the table was small would join all rows of the tenant.
_APPLY = """
WITH told AS MATERIALIZED (
    SELECT o.id, o.state AS before, s.wamid, s.delivery, s.at, s.pricing, s.attempt
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[], $7::int[])
        AS s (id, wamid, delivery, at, pricing, attempt)
    JOIN outbound o ON o.id = s.id WHERE o.id = ANY($1) ORDER BY o.id FOR UPDATE OF o
)
UPDATE outbound o SET
    state = CASE WHEN o.state IN ('pending', 'sending', 'unknown', 'needs_attention', 'failed')
            THEN 'sent' ELSE o.state END,
    -- An erased message has no content, and must not learn its wamid again: it holds the number.
    wamid = CASE WHEN o.content <> '{}' THEN coalesce(o.wamid, s.wamid) END,
    delivery = s.delivery, delivery_at = s.at,
    finished_at = coalesce(o.finished_at, now()), pricing = coalesce(s.pricing, o.pricing),
    error_code = NULL, last_error = NULL
FROM told s
-- What has failed was sent before: only that it arrived after all is news.
WHERE o.id = s.id AND o.id = ANY($1) AND array_position($6::text[], s.delivery) >
    coalesce(array_position($6::text[], o.delivery::text), (o.delivery = 'failed')::int, 0)
    -- What failed for sure had been accepted before: that is no news of what is sent again.
    AND NOT coalesce(s.delivery = 'sent' AND s.attempt < o.attempt AND o.unknowns = 0, false)
RETURNING o.id, o.conversation_id, o.state, o.delivery, o.last_error, o.to_user_id, s.before
"""
# Conversations before messages, as everywhere: whoever hears of a failure will want to lock them.
_LOCK_THREADS = """
SELECT 1 FROM conversation k
WHERE k.id = ANY(ARRAY(SELECT conversation_id FROM outbound WHERE id = ANY($1)))
ORDER BY k.id FOR UPDATE
"""
_FAIL = f"""
UPDATE outbound SET state = 'failed', delivery = 'failed', delivery_at = $3,
    wamid = CASE WHEN content <> '{{}}' THEN coalesce(wamid, $2) END,
    finished_at = coalesce(finished_at, now()), error_code = $4, last_error = $5
WHERE id = $1 AND state <> 'failed' AND (delivery IS NULL OR delivery = 'sent')
    AND coalesce($6 >= attempt, true) -- What failed before it was sent again has been heard.
RETURNING {MOVED}, origin
"""  # noqa: S608  # Ours.


async def apply_statuses(tx: Transaction, told: Sequence[tuple[UUID, Status]]) -> list[bool]:
    """Move messages to what WhatsApp says of them, told as (channel id, status).

    Answers for each whether the message is known; one that is not may be early, or another's.
    """
    ours = [await _outbound_id(tx, channel_id, status) for channel_id, status in told]
    named = [(row_id, status) for row_id, (_, status) in zip(ours, told, strict=True) if row_id]
    if failed := [row_id for row_id, status in named if status.status == "failed"]:
        await tx.sql.execute(_LOCK_THREADS, failed)
    rows = await _advance(tx, [item for item in named if item[1].status in STATUS_RANK])
    moved = {row["id"] for row in rows}
    for row_id, status in named:
        if status.status == "failed" and await _fail(tx, row_id, status):
            moved.add(row_id)
    # Last: whoever hears of it locks what comes after the conversations that a failure locks.
    for row in rows:
        if row["before"] == "failed":
            await _announce_arrival(tx, row)
    known = moved | await _unmoved(tx, [item for item in named if item[0] not in moved])
    return [
        row_id in known or status.status not in (*STATUS_RANK, "failed")
        for row_id, (_, status) in zip(ours, told, strict=True)
    ]


async def _outbound_id(tx: Transaction, channel_id: UUID, status: Status) -> UUID | None:
    """Callback data first, the wamid second: it may not have been stored yet."""
    if status.callback_data:
        return outbound_id_of(status.callback_data)
    found: UUID | None = await tx.sql.fetchval(
        "SELECT id FROM outbound WHERE channel_id = $1 AND wamid = $2", channel_id, status.wamid
    )
    return found


async def _advance(tx: Transaction, told: Sequence[tuple[UUID, Status]]) -> Sequence[Any]:
    """Take each message to the furthest of its statuses; those that moved, and their state `before`."""
    furthest: dict[UUID, Status] = {}
    pricings: dict[UUID, Status] = {}
    for row_id, status in told:
        if status.pricing:
            pricings[row_id] = status
        furthest[row_id] = max(furthest.get(row_id, status), status, key=_reached)
    if not furthest:
        return []
    rows = await tx.sql.fetch(
        _APPLY,
        list(furthest),
        [status.wamid for status in furthest.values()],
        [status.status for status in furthest.values()],
        [status.provider_at for status in furthest.values()],
        [_pricing(pricings.get(row_id)) for row_id in furthest],
        list(STATUS_RANK),
        [attempt_of(status.callback_data) for status in furthest.values()],
    )
    for row in rows:
        tell_moved(tx, row)
    await _bill(tx, [(row["id"], row["conversation_id"]) for row in rows], told)
    return rows


async def _announce_arrival(tx: Transaction, row: Any) -> None:
    told = OutboundArrived(
        tenant_id=tx.tenant_id, outbound_id=row["id"], conversation_id=row["conversation_id"]
    )
    await publish(tx, told)


def _reached(status: Status) -> tuple[int, int]:
    """How far a message has got by a status; of two that say the same, by which attempt."""
    return STATUS_RANK.index(status.status), attempt_of(status.callback_data) or 0


async def _unmoved(tx: Transaction, told: Sequence[tuple[UUID, Status]]) -> set[UUID]:
    """Which of these are there at all; what they tell may still be the first word of the price."""
    if not told:
        return set()
    rows = await tx.sql.fetch(
        "SELECT id, conversation_id FROM outbound WHERE id = ANY($1)",
        [row_id for row_id, _ in told],
    )
    await _bill(tx, [(row["id"], row["conversation_id"]) for row in rows], told)
    return {row["id"] for row in rows}


async def _bill(
    tx: Transaction,
    rows: Sequence[tuple[UUID, UUID]],
    told: Sequence[tuple[UUID, Status]],
) -> None:
    """Count the delivered among messages given as (id, conversation id); again changes nothing."""
    priced = {
        row_id: status
        for row_id, status in told
        if status.pricing and status.status in ("delivered", "read")
    }
    delivered = [_delivered(*row, priced[row[0]]) for row in rows if row[0] in priced]
    if delivered:
        await billing.record_deliveries(tx, *delivered)


def _delivered(outbound_id: UUID, conversation_id: UUID, status: Status) -> DeliveredMessage:
    assert status.pricing is not None
    return DeliveredMessage(
        message_id=outbound_id,
        conversation_id=conversation_id,
        category=status.pricing.category or "unknown",
        country=country_of(status.recipient),
        pricing_type=status.pricing.type,
        at=status.provider_at,
    )


async def _fail(tx: Transaction, outbound_id: UUID, status: Status) -> bool:
    error = status.errors[0] if status.errors else None
    reason = _in_words(error)
    row = await tx.sql.fetchrow(
        _FAIL,
        outbound_id,
        status.wamid,
        status.provider_at,
        error.code if error else None,
        reason,
        attempt_of(status.callback_data),
    )
    if row is None:
        return False
    await announce_failure(tx, row)
    return True


def _in_words(error: ErrorDetail | None) -> str:
    """Why a message did not arrive, as we say it, or as WhatsApp does where the code is new to us."""
    if error is None:
        return "WhatsApp could not deliver it."
    failure = classify_code(error.code)
    is_known = error.code is not None and failure.failure_class is not FailureClass.OTHER
    return failure.words if is_known else error.details or error.title


def _pricing(status: Status | None) -> str | None:
    if status is None or status.pricing is None:
        return None
    pricing: dict[str, Any] = {
        "category": status.pricing.category,
        "type": status.pricing.type,
        "model": status.pricing.model,
    }
    return dumps(pricing)
