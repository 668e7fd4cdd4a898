"""A message on its way out: mark it, post it, finish it; and find out what became of the rest.

The mark is committed before the POST, and nothing is open during it. A reply of the agent's is marked
by the transaction that decides it, whatever else by a short one of its own; until then a takeover can
stop an AI message.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
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
    MOVED,
    OUTBOUND,
    SENDING_DEADLINE_SECONDS,
    Accepted,
    ChannelRegistry,
    FailureClass,
    MediaNotThere,
    MetaRefused,
    MetaUnavailable,
    NotSent,
    Origin,
    Refused,
    SendFailure,
    SendResult,
    SendUnknown,
    Uncertain,
    is_hopeless,
    is_open,
    post_message,
    resend_is_proven,
)
from frontdesk.observability import Drills, Outage
from frontdesk.pipeline.hand_over import OurFile, hand_over

log = structlog.get_logger(__name__)

# Throttled or out of order, WhatsApp is asked again for so long, counted from the message.
MAX_REFUSED_SECONDS = 30 * 60
LEAST_TRIES = 5
# Together shorter than the time after which the sweep gives the send up.
FINISH_PAUSES_SECONDS = (0.1, 0.5, 2.0, 5.0, 10.0)
LONGEST_WAIT_SECONDS = 64.0
CHANNEL_PAUSED_WAIT_SECONDS = 30
# For so long a worker that gives WhatsApp a file has the message to itself.
HAND_OVER_SECONDS = 120
# Behind another AI message: until that is due again, but a status may settle it any moment. Behind one
# on the wire, as long again as that has been there.
BEHIND_ANOTHER_WAIT_SECONDS = (0.5, 5.0)
# What a drill holds looks again so often, as a drill may be ended early; and what would find its
# window closed so soon after the drill is not held at all.
DRILL_WAIT_SECONDS = 10.0
DRILL_MARGIN = timedelta(minutes=10)
_DRILLED = "WhatsApp can't be reached: this is a drill."
# A human agent's file comes from their own WhatsApp, and is fetched first.
FILE_ON_ITS_WAY_SECONDS = 2.0
# What a person wrote, and what a human agent is told, holds whoever has the conversation.
_UNFENCED = (Origin.HUMAN_AGENT, Origin.BRIDGE)
# WhatsApp's pair limit: one message in 6 seconds to one contact, 45 at once on credit.
PAIR_PER_SECOND, PAIR_BURST = 1 / 6, 45


@dataclass(frozen=True)
class Row:
    """An outbound row with what decides whether it may be sent."""

    id: UUID
    conversation_id: UUID
    channel_id: UUID
    origin: Origin
    state: str
    attempt: int
    refusals: int
    unknowns: int
    last_error: str | None
    epoch: int
    content: dict[str, Any]
    created_at: datetime
    sending_since: datetime | None
    is_due: bool
    conversation_status: str
    conversation_epoch: int
    last_inbound_at: datetime | None
    behind_due_at: (
        datetime | None
    )  # When the AI message before it is looked at again, if there is one.
    channel_status: str
    channel_alive_at: datetime | None
    is_on_phone_app: bool
    phone_number_id: str
    access_token_sealed: str
    now: datetime
    traceparent: str | None
    file: OurFile | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What is posted; a file goes by the name that WhatsApp gave it."""
        if self.file is None:
            return self.content
        kind = self.content["type"]
        return {**self.content, kind: {**self.content[kind], "id": self.file.whatsapp_id}}

    @property
    def waits_for_its_file(self) -> bool:
        """Whether WhatsApp has to be given the file first."""
        return self.file is not None and not self.file.is_at_whatsapp(self.now)


@dataclass(frozen=True)
class Send:
    """It may be sent now."""


@dataclass(frozen=True)
class Wait:
    """Not now; look again after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Drop:
    """Never: for this reason, in this final state."""

    state: str
    reason: str


def may_send(row: Row) -> Send | Wait | Drop:  # noqa: PLR0911  # A list of reasons, in order.
    """Whether a pending message may leave now.

    What no person wrote needs the conversation to be in the epoch it was decided in. An AI message
    goes out after those decided before it, and so does what a human agent is told on their own
    WhatsApp; what they say never waits behind one.
    """
    if row.origin not in _UNFENCED and row.conversation_epoch != row.epoch:
        return Drop("cancelled", "The conversation changed hands.")
    if row.behind_due_at is not None:
        soonest, latest = BEHIND_ANOTHER_WAIT_SECONDS
        return Wait(min(latest, max(soonest, (row.behind_due_at - row.now).total_seconds())))
    if row.content.get("type") != "template" and not is_open(row.last_inbound_at, row.now):
        return Drop("failed", "The 24-hour window closed before it was sent.")
    if row.channel_status == "DISCONNECTED":
        return Drop("failed", "The channel is disconnected.")
    if row.channel_status != "CONNECTED":
        return Wait(CHANNEL_PAUSED_WAIT_SECONDS)
    if row.file is not None and row.file.is_on_its_way:
        return Wait(FILE_ON_ITS_WAY_SECONDS)
    return Send()


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
    for tenant_id, marked in resources.keep(Handed).take_all():
        with suppress(Unavailable):
            async with resources.db.hot(tenant_id) as tx:
                await _unmark(tx, marked.row, 0)


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
            await _become_unknown(tx, resources, row, reason)
            return
        if row.state == "unknown":
            await _look_for_evidence(tx, resources, row)
            return
        if seconds := _drilled_seconds(resources, tenant_id, row):
            # Told once, however often it looks again.
            news = None if row.last_error == _DRILLED else _DRILLED
            await _put_off(tx, row, seconds, reason=news)
            return
        if hands_over := row.waits_for_its_file and may_send(row) == Send():
            await _put_off(tx, row, HAND_OVER_SECONDS)
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
        await tx.sql.execute(
            "SELECT 1 FROM conversation WHERE id = $1 FOR UPDATE", row.conversation_id
        )
        waiting = await tx.sql.fetchval(
            "UPDATE outbound SET due_at = now() "
            "WHERE id = $1 AND attempt = $2 AND state = 'pending' RETURNING id",
            row.id,
            row.attempt,
        )
        if waiting is None:
            return  # Somebody withdrew it, or erased it.
        if isinstance(failed, Refused):
            await _refused(tx, row, row.attempt, failed)
        elif isinstance(failed, NotSent):
            wait = min(4.0**row.refusals, LONGEST_WAIT_SECONDS)
            await _retry(tx, row, failed.reason, wait)
        elif failed is not None:
            await _end(tx, row, "failed", f"The file can't be sent: {failed}")
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
        await _put_off(tx, row, verdict.seconds)
        return False
    if isinstance(verdict, Drop):
        await _end(tx, row, verdict.state, verdict.reason)
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
    await _finish_patiently(resources, tenant_id, row, attempt, result)
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


async def _finish_patiently(
    resources: Resources, tenant_id: UUID, row: Row, attempt: int, result: SendResult
) -> None:
    """Write down how a POST ended, though the database is busy: only this process knows it."""
    for pause in (*FINISH_PAUSES_SECONDS, None):
        try:
            async with resources.db.hot(tenant_id) as tx:
                await _finish(tx, resources, row, attempt, result)
        except Unavailable as error:
            if pause is None:
                raise
            log.warning("finish_waits", outbound_id=str(row.id), error=str(error))
            await asyncio.sleep(pause)
        else:
            return


async def _finish(
    tx: Transaction, resources: Resources, row: Row, attempt: int, result: SendResult
) -> None:
    """Write down how a POST ended, if the row is still ours: a status may have been faster."""
    if isinstance(result, Accepted):
        await _accept(tx, row, attempt, result)
        return
    # The conversation first, as everywhere: whoever hears of a failure will want to lock it.
    await tx.sql.execute("SELECT 1 FROM conversation WHERE id = $1 FOR UPDATE", row.conversation_id)
    ours = await tx.sql.fetchval(
        "SELECT 1 FROM outbound WHERE id = $1 AND attempt = $2 AND state = 'sending' FOR UPDATE",
        row.id,
        attempt,
    )
    if not ours:
        return
    if isinstance(result, NotSent):
        # WhatsApp is away: the message waits for it, until the window closes.
        wait = min(4.0**row.refusals, LONGEST_WAIT_SECONDS)
        await _retry(tx, row, f"WhatsApp can't be reached ({result.reason}).", wait)
    elif isinstance(result, SendUnknown):
        log.warning("send_unknown", outbound_id=str(row.id), reason=result.reason)
        await _become_unknown(tx, resources, row, result.reason)
    else:
        await _refused(tx, row, attempt, result)


async def _accept(tx: Transaction, row: Row, attempt: int, accepted: Accepted) -> None:
    moved = await tx.sql.fetchrow(
        "UPDATE outbound SET state = 'sent', wamid = $3, finished_at = now(), last_error = NULL "  # noqa: S608  # Ours.
        # The answer is proof, also when the sweep has given the send up meanwhile.
        "WHERE id = $1 AND attempt = $2 "
        f"AND state IN ('sending', 'unknown', 'pending', 'needs_attention') RETURNING {MOVED}",
        row.id,
        attempt,
        accepted.wamid,
    )
    if moved:
        messaging.tell_moved(tx, moved)


async def _refused(tx: Transaction, row: Row, attempt: int, refused: Refused) -> None:
    failure = refused.failure
    log.warning(
        "send_refused",
        outbound_id=str(row.id),
        code=refused.error.code,
        failure=failure.failure_class,
        fbtrace_id=refused.error.fbtrace_id,
    )
    if failure.pauses_channel:
        # The tenant has to mend something; until then nothing is lost, it only waits.
        await messaging.pause_channel(tx, row.channel_id, failure.words)
        await _put_off(tx, row, CHANNEL_PAUSED_WAIT_SECONDS, code=refused.error.code)
    elif _is_worth_another_try(row, failure):
        wait = failure.retry_after_seconds(row.refusals + 1) or 1.0
        await _retry(tx, row, failure.words, wait, code=refused.error.code)
    else:
        await _end(tx, row, "failed", failure.words, code=refused.error.code)


def _is_worth_another_try(row: Row, failure: SendFailure) -> bool:
    """Whether a refused send is tried again.

    While WhatsApp is out of order, until the window closes; else for half an hour, if the same may
    succeed later. One that is older by now, as it waited for something else, gets a few tries.
    """
    if failure.is_outage:
        return True
    waited_seconds = (row.now - row.created_at).total_seconds()
    may_succeed = failure.failure_class in (FailureClass.THROTTLED, FailureClass.TRANSIENT)
    return may_succeed and (waited_seconds < MAX_REFUSED_SECONDS or row.refusals < LEAST_TRIES)


async def _retry(
    tx: Transaction, row: Row, reason: str, wait_seconds: float, *, code: int | None = None
) -> None:
    """Back to pending, with jitter, so that an outage does not end with everybody at once."""
    jitter = random.uniform(1, 1.25)  # noqa: S311  # Not a secret.
    await _put_off(tx, row, wait_seconds * jitter, code=code, reason=reason, refused=True)


async def _put_off(
    tx: Transaction,
    row: Row,
    seconds: float,
    *,
    code: int | None = None,
    reason: str | None = None,
    refused: bool = False,
) -> None:
    moved = await tx.sql.fetchrow(
        "UPDATE outbound SET state = 'pending', due_at = now() + make_interval(secs => $2), "  # noqa: S608  # Ours.
        # Why it waits is kept until there is another reason, or it has left.
        "error_code = coalesce($3, error_code), last_error = coalesce($4, last_error), "
        f"refusals = refusals + $5 WHERE id = $1 RETURNING {MOVED}",
        row.id,
        seconds,
        code,
        reason,
        int(refused),
    )
    if reason is not None or row.state != "pending":
        messaging.tell_moved(tx, moved)
    if seconds < 60:
        tx.ring(OUTBOUND, row.id, seconds + 0.01)


async def _end(
    tx: Transaction, row: Row, state: str, reason: str, *, code: int | None = None
) -> None:
    moved = await tx.sql.fetchrow(
        "UPDATE outbound SET state = $2, last_error = $3, error_code = $4, finished_at = now(), "  # noqa: S608  # Ours.
        # What was withdrawn unsaid may be said under its key again.
        "client_key = CASE WHEN $2::varchar <> 'cancelled' OR origin = 'human_agent' THEN client_key END "
        f"WHERE id = $1 RETURNING {MOVED}, origin",
        row.id,
        state,
        reason,
        code,
    )
    if state == "failed":
        await messaging.announce_failure(tx, moved)
    else:
        messaging.tell_moved(tx, moved)


async def _become_unknown(tx: Transaction, resources: Resources, row: Row, reason: str) -> None:
    moved = await tx.sql.fetchrow(
        "UPDATE outbound SET state = 'unknown', unknowns = unknowns + 1, last_error = $2, "  # noqa: S608  # Ours.
        f"due_at = now() + make_interval(secs => $3) WHERE id = $1 RETURNING {MOVED}",
        row.id,
        reason,
        resources.settings.worker.unknown_after_seconds,
    )
    messaging.tell_moved(tx, moved)


async def _look_for_evidence(tx: Transaction, resources: Resources, row: Row) -> None:
    """Repeat a send of unknown outcome if that is proven safe, ask a person if it can't be known."""
    assert row.sending_since is not None
    facts = Uncertain(
        unknowns=row.unknowns,
        sending_since=row.sending_since,
        channel_alive_at=row.channel_alive_at,
        now=row.now,
    )
    if resend_is_proven(facts) and not await messaging.has_unread_webhooks(resources):
        log.warning("send_repeated_on_evidence", outbound_id=str(row.id), attempt=row.attempt)
        resources.metrics.sends.labels("repeated").inc()
        await _put_off(tx, row, 0)
    elif is_hopeless(facts):
        reason = "Nobody can tell whether it arrived."
        if row.origin is Origin.BRIDGE:
            # Nobody would look: what became of the bridge is what matters.
            await _end(tx, row, "failed", reason)
            return
        moved = await tx.sql.fetchrow(
            "UPDATE outbound SET state = 'needs_attention', last_error = $2 "  # noqa: S608  # Ours.
            f"WHERE id = $1 RETURNING {MOVED}",
            row.id,
            reason,
        )
        messaging.tell_moved(tx, moved)
    else:
        await tx.sql.execute(
            "UPDATE outbound SET due_at = now() + make_interval(secs => 5) WHERE id = $1", row.id
        )
