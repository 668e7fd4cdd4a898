"""What became of a send: sent, refused, put off, ended, unknown; and what proves it afterwards."""

import asyncio
import random
from uuid import UUID

import structlog

from frontdesk import messaging
from frontdesk.core.db import Transaction
from frontdesk.core.errors import Unavailable
from frontdesk.core.resources import Resources
from frontdesk.messaging import (
    MOVED,
    OUTBOUND,
    Accepted,
    FailureClass,
    NotSent,
    Origin,
    Refused,
    SendFailure,
    SendResult,
    SendUnknown,
    Uncertain,
    is_hopeless,
    resend_is_proven,
)
from frontdesk.pipeline.may_send import CHANNEL_PAUSED_WAIT_SECONDS, Row

log = structlog.get_logger(__name__)

# Throttled or out of order, WhatsApp is asked again for so long, counted from the message.
MAX_REFUSED_SECONDS = 30 * 60
LEAST_TRIES = 5
# Together shorter than the time after which the sweep gives the send up.
FINISH_PAUSES_SECONDS = (0.1, 0.5, 2.0, 5.0, 10.0)
LONGEST_WAIT_SECONDS = 64.0


async def finish(
    resources: Resources, tenant_id: UUID, row: Row, attempt: int, result: SendResult
) -> None:
    """Write down how a POST ended, though the database is busy: only this process knows it."""
    for pause in (*FINISH_PAUSES_SECONDS, None):
        try:
            async with resources.db.hot(tenant_id) as tx:
                await _write_down(tx, resources, row, attempt, result)
        except Unavailable as error:
            if pause is None:
                raise
            log.warning("finish_waits", outbound_id=str(row.id), error=str(error))
            await asyncio.sleep(pause)
        else:
            return


async def _write_down(
    tx: Transaction, resources: Resources, row: Row, attempt: int, result: SendResult
) -> None:
    """Write down how a POST ended, if the row is still ours: a status may have been faster."""
    if isinstance(result, Accepted):
        await _accept(tx, row, attempt, result)
        return
    # The conversation first, as everywhere: whoever hears of a failure will want to lock it.
    await tx.sql.execute(messaging.LOCK_THREAD, row.conversation_id)
    ours = await tx.sql.fetchval(
        "SELECT 1 FROM outbound WHERE id = $1 AND attempt = $2 AND state = 'sending' FOR UPDATE",
        row.id,
        attempt,
    )
    if not ours:
        return
    if isinstance(result, NotSent):
        await retry_when_reachable(tx, row, f"WhatsApp can't be reached ({result.reason}).")
    elif isinstance(result, SendUnknown):
        log.warning("send_unknown", outbound_id=str(row.id), reason=result.reason)
        await become_unknown(tx, resources, row, result.reason)
    else:
        await take_refusal(tx, row, result)


async def _accept(tx: Transaction, row: Row, attempt: int, accepted: Accepted) -> None:
    moved = await tx.sql.fetchrow(
        # What was erased meanwhile must not learn its wamid: it holds the number.
        "UPDATE outbound SET state = 'sent', wamid = CASE WHEN content <> '{}' THEN $3 END, "  # noqa: S608  # Ours.
        "finished_at = now(), last_error = NULL "
        # The answer is proof, also when the sweep has given the send up meanwhile.
        "WHERE id = $1 AND attempt = $2 "
        f"AND state IN ('sending', 'unknown', 'pending', 'needs_attention') RETURNING {MOVED}",
        row.id,
        attempt,
        accepted.wamid,
    )
    if moved:
        messaging.tell_moved(tx, moved)


async def take_refusal(tx: Transaction, row: Row, refused: Refused) -> None:
    """Do what WhatsApp's reason asks for: pause the channel, try again later, or give up."""
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
        await put_off(tx, row, CHANNEL_PAUSED_WAIT_SECONDS, code=refused.error.code)
    elif _is_worth_another_try(row, failure):
        wait = failure.retry_after_seconds(row.refusals + 1) or 1.0
        await _retry(tx, row, failure.words, wait, code=refused.error.code)
    else:
        await end_send(tx, row, "failed", failure.words, code=refused.error.code)


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


async def retry_when_reachable(tx: Transaction, row: Row, reason: str) -> None:
    """WhatsApp is away: the message waits for it, until the window closes."""
    await _retry(tx, row, reason, min(4.0**row.refusals, LONGEST_WAIT_SECONDS))


async def _retry(
    tx: Transaction, row: Row, reason: str, wait_seconds: float, *, code: int | None = None
) -> None:
    """Back to pending, with jitter, so that an outage does not end with everybody at once."""
    jitter = random.uniform(1, 1.25)  # noqa: S311  # Not a secret.
    await put_off(tx, row, wait_seconds * jitter, code=code, reason=reason, refused=True)


async def put_off(
    tx: Transaction,
    row: Row,
    seconds: float,
    *,
    code: int | None = None,
    reason: str | None = None,
    refused: bool = False,
) -> None:
    """Back to pending for so many seconds, for a reason that is shown unless it is None."""
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


async def end_send(
    tx: Transaction, row: Row, state: str, reason: str, *, code: int | None = None
) -> None:
    """It is not sent, in this final state and for this reason; whoever has to hear of it is told."""
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


async def become_unknown(tx: Transaction, resources: Resources, row: Row, reason: str) -> None:
    """Nobody knows whether it left; evidence is looked for until it is told."""
    moved = await tx.sql.fetchrow(
        "UPDATE outbound SET state = 'unknown', unknowns = unknowns + 1, last_error = $2, "  # noqa: S608  # Ours.
        f"due_at = now() + make_interval(secs => $3) WHERE id = $1 RETURNING {MOVED}",
        row.id,
        reason,
        resources.settings.worker.unknown_after_seconds,
    )
    messaging.tell_moved(tx, moved)


async def look_for_evidence(tx: Transaction, resources: Resources, row: Row) -> None:
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
        await put_off(tx, row, 0)
    elif is_hopeless(facts):
        reason = "Nobody can tell whether it arrived."
        if row.origin is Origin.BRIDGE:
            # Nobody would look: what became of the bridge is what matters.
            await end_send(tx, row, "failed", reason)
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
