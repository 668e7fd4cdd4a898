"""A message on its way out: mark it, post it, write down what became of it (`send_outcome.py`).

The mark is committed before the POST, and nothing is open during it. A reply of the agent's is marked
by the transaction that decides it, whatever else by a short one of its own; until then a takeover can
stop an AI message.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog
from opentelemetry.trace import Span, SpanKind

from frontdesk import conversation, messaging
from frontdesk.core.crash import crash
from frontdesk.core.db import Transaction
from frontdesk.core.errors import Unavailable
from frontdesk.core.json import loads
from frontdesk.core.limits import Bucket
from frontdesk.core.resources import Resources
from frontdesk.core.tracing import Attributes, fail, root_span
from frontdesk.messaging import (
    LONGEST_PAUSE_AFTER_MARK_SECONDS,
    OUTBOUND,
    SENDING_DEADLINE_SECONDS,
    Accepted,
    ChannelRegistry,
    MediaNotThere,
    MetaRefused,
    MetaUnavailable,
    NotSent,
    Origin,
    Refused,
    is_open,
    post_message,
)
from frontdesk.observability import Drills, Outage
from frontdesk.pipeline.hand_over import OurFile, hand_over
from frontdesk.pipeline.may_send import Drop, Row, Send, Wait, may_send
from frontdesk.pipeline.send_outcome import (
    become_unknown,
    end_send,
    finish,
    look_for_evidence,
    put_off,
    retry_when_reachable,
    take_refusal,
)

log = structlog.get_logger(__name__)

# For so long a worker that gives WhatsApp a file has the message to itself.
HAND_OVER_SECONDS = 120
# What a drill holds looks again so often, as a drill may be ended early; and what would find its
# window closed so soon after the drill is not held at all.
DRILL_WAIT_SECONDS = 10.0
DRILL_MARGIN = timedelta(minutes=10)
_DRILLED = "WhatsApp can't be reached: this is a drill."
# WhatsApp's pair limit: one message in 6 seconds to one contact, 45 at once on credit.
PAIR_PER_SECOND, PAIR_BURST = 1 / 6, 45


@dataclass(frozen=True)
class Marked:
    """A message that nobody but who marked it may post, and soon: `since` is of the monotonic clock."""

    row: Row
    since: float


class Handed:
    """Messages that were marked where they were decided, until this process's sender takes them."""

    def __init__(self, _: Resources) -> None:
        self._marked: dict[UUID, tuple[UUID, Marked]] = {}

    def give(self, tenant_id: UUID, marked: Marked) -> None:
        """Leave a message whose mark is committed; whoever gives it rings for it."""
        self._marked[marked.row.id] = tenant_id, marked

    def take(self, outbound_id: UUID) -> Marked | None:
        """The message, for whoever comes first."""
        _, marked = self._marked.pop(outbound_id, (None, None))
        return marked

    def take_all(self) -> Iterator[tuple[UUID, Marked]]:
        """(tenant id, message) of each that is left."""
        while self._marked:
            yield self._marked.popitem()[1]


async def begin(tx: Transaction, resources: Resources, outbound_id: UUID) -> Marked | None:
    """A message that this transaction wrote as marked, to be handed on once it has committed.

    One that may not leave at once is marked no more, and waits for its turn as any other; then it
    is None.
    """
    row = await _load(tx, outbound_id)
    since = time.monotonic()
    assert row is not None
    row = replace(row, state="pending", attempt=row.attempt - 1)
    is_free = may_send(row) == Send() and not row.waits_for_its_file
    if is_free and not _drilled_seconds(resources, tx.tenant_id, row):
        return Marked(row, since)
    await _unmark(tx, row, 0)
    return None


def hand_on(resources: Resources, tenant_id: UUID, marked: Marked) -> None:
    """Have a message posted by this process, its mark being committed."""
    resources.keep(Handed).give(tenant_id, marked)
    resources.db.bell.ring(OUTBOUND, tenant_id, marked.row.id)


async def give_back(resources: Resources) -> None:
    """Unmark what this process was handed and did not come to before it ends, for other workers.

    What the database has no time for stays marked: its outcome counts as unknown once its lease ends.
    """

    async def unmark(tenant_id: UUID, marked: Marked) -> None:
        with suppress(Unavailable):
            async with resources.db.hot(tenant_id) as tx:
                await _unmark(tx, marked.row, 0)

    # Together: a database that is away costs one wait, and whoever stops us waits for us.
    await asyncio.gather(*(unmark(*left) for left in resources.keep(Handed).take_all()))


async def deliver(resources: Resources, tenant_id: UUID, outbound_id: UUID) -> None:
    """Bring one message a step further. Safe to run twice: only a marked, due row is worked on."""
    if handed := resources.keep(Handed).take(outbound_id):
        await _post_marked(resources, tenant_id, handed)
        return
    async with resources.db.hot(tenant_id) as tx:
        row = await _load(tx, outbound_id)
        # Not before the row is locked: waiting for the database is no pause after the mark.
        since = time.monotonic()
        if row is None or not row.is_due:
            return
        if row.state == "sending":
            # Nobody finished it: its worker died, before or after the POST.
            reason = "The worker that sent it did not come back."
            await become_unknown(tx, resources, row, reason)
            return
        if row.state == "unknown":
            await look_for_evidence(tx, resources, row)
            return
        if seconds := _drilled_seconds(resources, tenant_id, row):
            # Told once, however often it looks again.
            news = None if row.last_error == _DRILLED else _DRILLED
            await put_off(tx, row, seconds, reason=news)
            return
        if hands_over := row.waits_for_its_file and may_send(row) == Send():
            await put_off(tx, row, HAND_OVER_SECONDS)
        else:
            marked = await _mark(tx, row)
    if hands_over:
        await _hand_over(resources, tenant_id, row)
    elif marked:
        await _post_marked(resources, tenant_id, Marked(row, since))


async def _post_marked(resources: Resources, tenant_id: UUID, marked: Marked) -> None:
    """Post a message whose mark is committed, and write down how that ended."""
    row = marked.row
    crash("after_mark", row.id)
    told: Attributes = {
        "frontdesk.tenant_id": str(tenant_id),
        "frontdesk.message_id": str(row.id),
        "frontdesk.origin": str(row.origin),
        "frontdesk.attempt": row.attempt + 1,
    }
    with root_span("send", told, parent=row.traceparent, kind=SpanKind.CLIENT) as sending:
        await _send(resources, tenant_id, marked, sending)


def _drilled_seconds(resources: Resources, tenant_id: UUID, row: Row) -> float:
    """For how long a drill of WhatsApp's outage holds this message; 0 when none does.

    What could not leave any more after the drill leaves in spite of it: nothing real is lost.
    """
    drill = resources.keep(Drills).find(tenant_id, Outage.WHATSAPP)
    if drill is None or may_send(row) != Send():
        return 0.0
    if row.content.get("type") != "template" and not is_open(
        row.last_inbound_at, drill.ends_at + DRILL_MARGIN
    ):
        return 0.0
    return min(drill.seconds_left + 0.1, DRILL_WAIT_SECONDS)


async def _hand_over(resources: Resources, tenant_id: UUID, row: Row) -> None:
    """Give WhatsApp the file of a message, then go on with the message from the start."""
    assert row.file is not None
    failed: Refused | NotSent | MediaNotThere | None = None
    try:
        await hand_over(
            resources, tenant_id, row.file, row.phone_number_id, row.access_token_sealed
        )
    except MetaRefused as refused:
        failed = Refused(refused.error, refused.failure)
    except MetaUnavailable as error:
        failed = NotSent(str(error))
    except MediaNotThere as gone:
        failed = gone
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(messaging.LOCK_THREAD, row.conversation_id)
        waiting = await tx.sql.fetchval(
            "UPDATE outbound SET due_at = now() "
            "WHERE id = $1 AND attempt = $2 AND state = 'pending' RETURNING id",
            row.id,
            row.attempt,
        )
        if waiting is None:
            return  # Somebody withdrew it, or erased it.
        if isinstance(failed, Refused):
            await take_refusal(tx, row, failed)
        elif isinstance(failed, NotSent):
            await retry_when_reachable(tx, row, failed.reason)
        elif failed is not None:
            await end_send(tx, row, "failed", f"The file can't be sent: {failed}")
    if failed is None:
        await deliver(resources, tenant_id, row.id)


_LOAD = """
SELECT o.id, o.conversation_id, o.channel_id, o.origin, o.state, o.attempt, o.refusals,
    o.unknowns, o.last_error, o.epoch, o.content, o.created_at, o.sending_since, o.due_at <= now() AS is_due,
    k.status AS conversation_status, k.epoch AS conversation_epoch,
    CASE WHEN o.to_user_id IS NULL THEN k.last_inbound_at ELSE (SELECT max(b.said_at)
        FROM bridge_heard b WHERE b.tenant_id = o.tenant_id AND b.user_id = o.to_user_id
        AND b.channel_id = o.channel_id) END AS last_inbound_at,
    h.status AS channel_status, h.alive_at AS channel_alive_at, h.is_on_phone_app,
    h.phone_number_id, h.access_token_sealed, clock_timestamp() AS now, o.traceparent,
    f.id AS file_id, f.whatsapp_id, f.uploaded_at, f.state AS file_state,
    CASE WHEN o.origin IN ('agent', 'bridge') THEN (SELECT max(CASE WHEN e.state = 'sending'
        THEN clock_timestamp() + (clock_timestamp() - e.sending_since) ELSE e.due_at END) FROM outbound e
        WHERE e.tenant_id = o.tenant_id AND e.conversation_id = o.conversation_id
        AND e.origin = o.origin AND e.state IN ('pending', 'sending', 'unknown')
        AND (e.created_at, e.seq, e.id) < (o.created_at, o.seq, o.id)) END AS behind_due_at
FROM outbound o
JOIN conversation k ON k.tenant_id = o.tenant_id AND k.id = o.conversation_id
JOIN channel h ON h.tenant_id = o.tenant_id AND h.id = o.channel_id
LEFT JOIN media f ON f.tenant_id = o.tenant_id
    AND CASE WHEN o.media_id IS NULL THEN f.message_id = o.id ELSE f.id = o.media_id END
WHERE o.id = $1 AND o.state IN ('pending', 'sending', 'unknown')
FOR SHARE OF k
FOR UPDATE OF o SKIP LOCKED
"""


async def _load(tx: Transaction, outbound_id: UUID) -> Row | None:
    """The row, locked, and its conversation held still until this transaction ends."""
    row = await tx.sql.fetchrow(_LOAD, outbound_id)
    if row is None:
        return None
    known = dict(row)
    of_file = ("file_id", "whatsapp_id", "uploaded_at", "file_state")
    file = OurFile(*(known.pop(name) for name in of_file))
    known |= {"origin": Origin(row["origin"]), "content": loads(row["content"])}
    return Row(**known, file=file if file.id else None)


async def _mark(tx: Transaction, row: Row) -> bool:
    verdict = may_send(row)
    if isinstance(verdict, Wait):
        await put_off(tx, row, verdict.seconds)
        return False
    if isinstance(verdict, Drop):
        await end_send(tx, row, verdict.state, verdict.reason)
        if verdict.state == "cancelled":
            await conversation.ask_again(tx, row.conversation_id, decided_at=row.created_at)
        return False
    await tx.sql.execute(
        "UPDATE outbound SET state = 'sending', attempt = attempt + 1, sending_since = clock_timestamp(), "
        "due_at = now() + make_interval(secs => $2) WHERE id = $1",
        row.id,
        float(SENDING_DEADLINE_SECONDS),
    )
    return True


async def _pace(resources: Resources, tenant_id: UUID, row: Row) -> float:
    """Seconds to wait for the number's and the contact's turn; 0 when it is their turn."""
    limits = resources.settings.whatsapp
    per_second = limits.max_per_second
    if row.is_on_phone_app:
        per_second = min(per_second, limits.phone_app_max_per_second)
    contact = row.content.get("to") or row.content.get("recipient")
    return await resources.limiter.wait_seconds(
        Bucket(f"{tenant_id}:pair:{row.channel_id}:{contact}", PAIR_PER_SECOND, PAIR_BURST),
        Bucket(f"{tenant_id}:out:{row.channel_id}", per_second, per_second),
    )


async def _send(resources: Resources, tenant_id: UUID, marked: Marked, sending: Span) -> None:
    row, attempt = marked.row, marked.row.attempt + 1
    if wait := await _pace(resources, tenant_id, row):
        async with resources.db.hot(tenant_id) as tx:
            await _unmark(tx, row, wait)
        return
    token = resources.keep(ChannelRegistry).access_token(tenant_id, row.access_token_sealed)
    body = {
        **row.body,
        "biz_opaque_callback_data": messaging.callback_data(row.id, attempt),
    }
    if time.monotonic() - marked.since > LONGEST_PAUSE_AFTER_MARK_SECONDS:
        async with resources.db.hot(tenant_id) as tx:
            await _unmark(tx, row, 0)
        return
    result = await post_message(resources, row.phone_number_id, token, body)
    if not isinstance(result, Accepted):
        fail(sending, type(result).__name__)
    crash("after_post", row.id)
    await finish(resources, tenant_id, row, attempt, result)
    crash("after_finish", row.id)
    outcome = type(result).__name__.lower()
    resources.metrics.sends.labels(outcome).inc()
    log.info(
        "send",
        outcome=outcome,
        origin=str(row.origin),
        attempt=attempt,
        seconds=round(time.monotonic() - marked.since, 4),
    )


async def _unmark(tx: Transaction, row: Row, wait_seconds: float) -> None:
    """Nothing has left us: the attempt did not happen, and the row waits for its turn."""
    waiting = await tx.sql.fetchval(
        "UPDATE outbound SET state = 'pending', attempt = attempt - 1, sending_since = NULL, "
        "due_at = now() + make_interval(secs => $3) "
        "WHERE id = $1 AND attempt = $2 AND state = 'sending' RETURNING id",
        row.id,
        row.attempt + 1,
        wait_seconds,
    )
    if waiting:
        tx.ring(OUTBOUND, row.id, wait_seconds + 0.01)
