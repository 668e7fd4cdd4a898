"""A channel while it lives, as due work: connect it, look after it, and in the end let it go.

Once a day Meta is asked about the number, its token and its subscription; and a token that ends is
announced well before, whether or not Meta answers.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps
from frontdesk.core.resources import Resources
from frontdesk.messaging import graph_accounts as meta
from frontdesk.messaging import stages
from frontdesk.messaging.account_events import record
from frontdesk.messaging.channels import CHANNEL, pause_channel
from frontdesk.messaging.connecting_rules import (
    TOKEN,
    Failure,
    alarm_of,
    failure_of,
    next_look_at,
    retry_seconds,
)
from frontdesk.messaging.graph_accounts import MetaRefused, MetaUnavailable
from frontdesk.messaging.jobs import Job, claim, grant_of, note, token_of, utcnow
from frontdesk.messaging.models import HOLDS_NUMBER, ChannelStatus, ConnectStage
from frontdesk.messaging.templates import list_first
from frontdesk.observability import audit

log = structlog.get_logger(__name__)

_AFTER_SILENCE = timedelta(hours=1)
_PAUSING = ("token_refused", "permission_missing", "number_not_reached")


async def handle_channel(resources: Resources, tenant_id: UUID, channel_id: UUID) -> None:
    """Do what a channel's status says is due. Run twice, only the later claim notes anything."""
    job = await claim(resources, tenant_id, channel_id)
    if job is None:
        return
    if job.status is ChannelStatus.CONNECTING:
        await stages.connect(resources, job)
    elif job.status is ChannelStatus.DISCONNECTED:
        await _let_go(resources, job)
    else:
        await _look_after(resources, job)


# Looking after it.


@dataclass(frozen=True)
class _Look:
    """What a look at a channel found."""

    expires_at: datetime | None
    checked_at: datetime | None
    columns: dict[str, Any]
    problem: Failure | None = None
    silent: bool = False


async def _look_after(resources: Resources, job: Job) -> None:
    look = await _look(resources, job)
    now = utcnow()
    at = next_look_at(look.expires_at, now, random.random())  # noqa: S311  # No secret.
    async with resources.db.hot(job.tenant_id) as tx:
        noted = await note(
            tx,
            job,
            token_expires_at=look.expires_at,
            token_checked_at=look.checked_at,
            due_at=min(at, now + _AFTER_SILENCE) if look.silent else at,
            **look.columns,
        )
        if noted is None:
            return
        await _alarm(tx, resources, job, look.expires_at, now)
        await list_first(tx, job.waba_id)
        if look.problem is not None and look.problem.code in _PAUSING:
            resources.metrics.channel_alarms.labels(look.problem.code).inc()
            await pause_channel(tx, job.id, look.problem.words)


async def _look(resources: Resources, job: Job) -> _Look:
    expires_at, checked_at = job.token_expires_at, job.token_checked_at
    columns: dict[str, Any] = {}
    try:
        token = token_of(resources, job)
        grant = await grant_of(resources, token)
        if isinstance(grant, Failure):
            return _Look(expires_at, checked_at, {"check_error": grant.words}, grant)
        if grant is not None:
            expires_at, checked_at = grant.expires_at, utcnow()
        columns["reading"] = dumps(await meta.read_number(resources, job.phone_number_id, token))
        if not await meta.is_subscribed(resources, job.waba_id, token):
            log.warning("channel_was_not_subscribed", channel_id=str(job.id))
            resources.metrics.channel_alarms.labels("not_subscribed").inc()
            await meta.subscribe(resources, job.waba_id, token)
            columns["subscribed_at"] = utcnow()
    except MetaRefused as refused:
        problem = failure_of(ConnectStage.CONFIRM, refused.error)
        return _Look(expires_at, checked_at, columns | {"check_error": problem.words}, problem)
    except MetaUnavailable as error:
        return _Look(expires_at, checked_at, columns | {"check_error": str(error)}, silent=True)
    return _Look(expires_at, checked_at, columns | {"check_error": None, "checked_at": utcnow()})


async def _alarm(
    tx: Transaction, resources: Resources, job: Job, expires_at: datetime | None, now: datetime
) -> None:
    """Tell that the token ends soon, once for each of the days it is told at; pause at the end."""
    days = alarm_of(expires_at, now)
    if days is None or expires_at is None:
        return
    ended = expires_at <= now
    when = f"{expires_at:%Y-%m-%d %H:%M} UTC"
    words = (
        f"The access token has ended on {when}: give a new one."
        if ended
        else f"The access token ends on {when}: give a new one before."
    )
    is_new = await record(
        tx,
        job.id,
        field="frontdesk",
        event="TOKEN_ENDED" if ended else "TOKEN_ENDS_SOON",
        severity="critical" if days <= 3 else "warning",
        words=words,
        payload={"days": days, "expires_at": expires_at.isoformat()},
        fingerprint=f"token:{job.id}:{expires_at.isoformat()}:{days}",
    )
    if is_new:
        log.warning("channel_token_ends", channel_id=str(job.id), days=days, ended=ended)
        what = "token_ended" if ended else "token_ends_soon"
        resources.metrics.channel_alarms.labels(what).inc()
    if ended:
        await pause_channel(tx, job.id, TOKEN.words)


# Letting it go.


async def _let_go(resources: Resources, job: Job) -> None:
    """Tell Meta as far as it listens, then destroy the token. What Meta refuses is over anyway.

    The PIN stays: it is the number's own, and registering it again needs the same.
    """
    told: dict[str, bool] = {}
    if job.claimed_at is not None and job.access_token_sealed:
        token = token_of(resources, job)
        try:
            if not job.is_on_phone_app:  # There it would go on; only its owner ends that.
                told["deregistered"] = await _did(
                    meta.deregister, resources, job.phone_number_id, token
                )
            if await _is_last_of_account(resources, job):
                told["unsubscribed"] = await _did(meta.unsubscribe, resources, job.waba_id, token)
        except MetaUnavailable as error:
            wait = retry_seconds(timedelta(seconds=job.for_seconds))
            if wait is not None:
                await _later(resources, job, wait)
                return
            log.warning("channel_let_go_untold", channel_id=str(job.id), reason=str(error))
    async with resources.db.hot(job.tenant_id) as tx:
        gone = await note(tx, job, access_token_sealed="", code_sealed=None, due_at=None)
        if gone is not None:
            await audit(tx, "channel.token_destroyed", "channel", job.id, details=told)


async def _did(call: Callable[..., Awaitable[None]], *args: Any) -> bool:
    """Whether Meta agreed. A refusal is not repeated: there is nobody left it would matter to."""
    try:
        await call(*args)
    except MetaRefused as refused:
        log.info("let_go_refused", call=getattr(call, "__name__", ""), code=refused.error.code)
        return False
    return True


async def _is_last_of_account(resources: Resources, job: Job) -> bool:
    """Whether no other number of the account is connected: one subscription serves all of them."""
    async with resources.db.hot(job.tenant_id) as tx:
        other = await tx.sql.fetchval(
            f"SELECT 1 FROM channel WHERE waba_id = $1 AND id <> $2 AND {HOLDS_NUMBER}",  # noqa: S608  # Ours.
            job.waba_id,
            job.id,
        )
    return other is None


async def _later(resources: Resources, job: Job, wait_seconds: float) -> None:
    async with resources.db.hot(job.tenant_id) as tx:
        if await note(tx, job, due_at=utcnow() + timedelta(seconds=wait_seconds)):
            tx.ring(CHANNEL, job.id, wait_seconds + 0.01)
