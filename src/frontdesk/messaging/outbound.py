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

from frontdesk.core import ids
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.events import publish
from frontdesk.core.json import dumps
from frontdesk.core.tracing import traceparent
from frontdesk.messaging.errors import NotUncertain
from frontdesk.messaging.events import OutboundFailed
from frontdesk.messaging.happenings import MOVED, tell_moved
from frontdesk.messaging.models import Origin

OUTBOUND = "messaging.outbound"
# A send that took longer than this is not running any more; its outcome is unknown.
SENDING_DEADLINE_SECONDS = 30
MAX_UNKNOWN_ATTEMPTS = 3
UNKNOWN_PATIENCE_SECONDS = 15 * 60
# A worker that was paused between mark and POST must not send a row that was swept meanwhile.
LONGEST_PAUSE_AFTER_MARK_SECONDS = 5
# A webhook must be clearly later than the POST to prove anything, and provider times are whole seconds.
EVIDENCE_MARGIN_SECONDS = LONGEST_PAUSE_AFTER_MARK_SECONDS + 2


@dataclass(frozen=True)
class NewOutbound:
    """A message to be sent. `id` is the id of the conversation's message.

    With a `to_user_id` it goes to that human agent, and is nobody's message: see `Outbound`. One
    that is written as marked is posted by who writes it, once that has committed.
    """

    id: UUID
    conversation_id: UUID
    channel_id: UUID
    origin: Origin
    epoch: int
    content: dict[str, Any]  # The wire body, as `outgoing.text_message` makes it.
    turn_id: UUID | None = None
    seq: int = 0
    client_key: str | None = None
    to_user_id: UUID | None = None
    media_id: UUID | None = None
    is_marked: bool = False


INSERT_OUTBOUND = f"""
INSERT INTO outbound (id, conversation_id, channel_id, turn_id, seq, origin, epoch, client_key, content,
    to_user_id, media_id, traceparent, state, attempt, sending_since, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, CASE WHEN $13 THEN 'sending' ELSE 'pending' END,
    CASE WHEN $13 THEN 1 ELSE 0 END, CASE WHEN $13 THEN clock_timestamp() END,
    CASE WHEN $13 THEN now() + make_interval(secs => {SENDING_DEADLINE_SECONDS}) ELSE now() END)
"""  # noqa: S608  # Ours.


def outbound_values(new: NewOutbound) -> tuple[Any, ...]:
    """What `INSERT_OUTBOUND` takes; who inserts it rings for it, or posts it."""
    return (
        new.id,
        new.conversation_id,
        new.channel_id,
        new.turn_id,
        new.seq,
        new.origin,
        new.epoch,
        new.client_key,
        dumps(new.content),
        new.to_user_id,
        new.media_id,
        traceparent(),
        new.is_marked,
    )


async def enqueue(tx: Transaction, new: NewOutbound) -> None:
    """Make a message due to be sent as soon as this transaction commits."""
    await tx.sql.execute(INSERT_OUTBOUND, *outbound_values(new))
    tx.ring(OUTBOUND, new.id)


# An answer may wait this long for a model, and what a request makes due is made at once.
_LONGEST_TRACE_SECONDS = 600


async def list_sent_for(tx: Transaction, request_id: UUID) -> list[UUID]:
    """What was sent because of a request to the API or a webhook; known while traces are on only."""
    rows = await tx.sql.fetch(
        "SELECT id FROM outbound WHERE id BETWEEN $1 AND $2 AND to_user_id IS NULL "
        "AND traceparent LIKE '00-' || $3 || '-%' ORDER BY id",
        request_id,
        ids.later(request_id, _LONGEST_TRACE_SECONDS),
        request_id.hex,
    )
    return [row["id"] for row in rows]


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
    """Withdraw what has not left yet; how many there were.

    It was not said, so unless a person wanted it the same may be said again under its key.
    """
    rows = await tx.sql.fetch(
        "UPDATE outbound SET state = 'cancelled', finished_at = now(), "  # noqa: S608  # Ours.
        "client_key = CASE WHEN origin = 'human_agent' THEN client_key END "
        f"WHERE conversation_id = $1 AND origin = $2 AND state = 'pending' RETURNING {MOVED}",
        conversation_id,
        origin,
    )
    for row in rows:
        tell_moved(tx, row)
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


async def announce_failure(tx: Transaction, row: Any) -> None:
    """Tell dashboards and the contexts above that a message will not arrive.

    Args:
        row: its `MOVED` and `origin`.
    """
    tell_moved(tx, row)
    await publish(
        tx,
        OutboundFailed(
            tenant_id=tx.tenant_id,
            outbound_id=row["id"],
            conversation_id=row["conversation_id"],
            origin=row["origin"],
            reason=row["last_error"],
        ),
    )


async def resolve_uncertain(tx: Transaction, outbound_id: UUID, *, arrived: bool) -> None:
    """A person decides what became of a message whose outcome nobody could find out.

    Raises:
        NotFound: there is no such message.
        NotUncertain: its outcome is known.
    """
    row = await tx.sql.fetchrow("SELECT state FROM outbound WHERE id = $1 FOR UPDATE", outbound_id)
    if row is None:
        raise NotFound("There is no such message.")
    if row["state"] != "needs_attention":
        raise NotUncertain(f"The message is {row['state']}.")
    if arrived:
        moved = await tx.sql.fetchrow(
            "UPDATE outbound SET state = 'sent', finished_at = now() "  # noqa: S608  # Ours.
            f"WHERE id = $1 RETURNING {MOVED}",
            outbound_id,
        )
    else:
        # A person's own decision to send again: whoever owned the conversation then no longer
        # matters, so the row goes on as theirs. Attempts go on counting: that the earlier one failed
        # is no news any more. That it arrived after all still is, as nobody ever knew.
        moved = await tx.sql.fetchrow(
            "UPDATE outbound SET state = 'pending', origin = 'human_agent', due_at = now(), "  # noqa: S608  # Ours.
            "attempt = attempt + 1, refusals = 0, unknowns = 1, last_error = NULL, "
            f"error_code = NULL, discarded_at = NULL WHERE id = $1 RETURNING {MOVED}",
            outbound_id,
        )
        tx.ring(OUTBOUND, outbound_id)
    tell_moved(tx, moved)


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


def attempt_of(callback: str | None) -> int | None:
    """The attempt a status's callback data names, or None when it names none."""
    attempt = (callback or "").partition(".")[2]
    return int(attempt) if attempt.isascii() and attempt.isdigit() and len(attempt) < 6 else None


@dataclass(frozen=True)
class Uncertain:
    """A send whose outcome is unknown, and what speaks for repeating it."""

    unknowns: int  # How often it was sent and nobody could tell what became of it.
    sending_since: datetime
    channel_alive_at: datetime | None
    now: datetime


def resend_is_proven(facts: Uncertain) -> bool:
    """Whether the channel has been heard from since the send, and yet not about this message."""
    if facts.channel_alive_at is None or facts.unknowns >= MAX_UNKNOWN_ATTEMPTS:
        return False
    later = (facts.channel_alive_at - facts.sending_since).total_seconds()
    return later > EVIDENCE_MARGIN_SECONDS


def is_hopeless(facts: Uncertain) -> bool:
    """Whether a person has to decide: too many attempts, or no word for too long."""
    waited = (facts.now - facts.sending_since).total_seconds()
    return facts.unknowns >= MAX_UNKNOWN_ATTEMPTS or waited > UNKNOWN_PATIENCE_SECONDS
