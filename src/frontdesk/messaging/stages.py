"""How a number becomes connected: in stages, each written down, by whichever worker is free.

The row of the channel is the job. A stage asks Meta with no transaction open and notes what came of
it; a worker that dies is followed by another at the same stage. Until Meta has confirmed that the
token reaches the number, the row holds nothing: nobody can take a number by typing its id.
"""

import random
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import structlog

from frontdesk.core.json import dumps
from frontdesk.core.resources import Resources
from frontdesk.messaging import graph_accounts as meta
from frontdesk.messaging.channels import CHANNEL, tell_status
from frontdesk.messaging.connecting_rules import (
    MOST_ACCOUNTS,
    NOT_IN_ACCOUNT,
    TAKEN,
    Failure,
    Grant,
    Number,
    alarm_of,
    choose,
    failure_of,
    next_look_at,
    read_numbers,
    retry_seconds,
)
from frontdesk.messaging.graph_accounts import MetaRefused, MetaUnavailable
from frontdesk.messaging.jobs import (
    CODE_FIELD,
    LEASE_SECONDS,
    PIN_FIELD,
    Job,
    grant_of,
    note,
    token_of,
    utcnow,
)
from frontdesk.messaging.models import ChannelStatus, ConnectStage
from frontdesk.messaging.registry import TOKEN_FIELD, ChannelRegistry
from frontdesk.messaging.templates import list_soon
from frontdesk.observability import audit

log = structlog.get_logger(__name__)


class _Ended(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


async def connect(resources: Resources, job: Job) -> None:
    """Go through the stages that are left. Run twice at once, only the later claim notes anything."""
    left: Job | None = job
    while left is not None and left.stage is not None:
        left = await _step(resources, left, left.stage)


async def _step(resources: Resources, job: Job, stage: ConnectStage) -> Job | None:
    """Do one stage; what comes next, or None when this is the end for now."""
    try:
        return await _STAGES[stage](resources, job)
    except _Ended as ended:
        await _fail(resources, job, ended.failure)
    except MetaRefused as refused:
        log.info(
            "connecting_refused",
            channel_id=str(job.id),
            stage=stage,
            code=refused.error.code,
            fbtrace_id=refused.error.fbtrace_id,
        )
        await _fail(resources, job, failure_of(stage, refused.error))
    except MetaUnavailable as error:
        await _put_off(resources, job, str(error))
    return None


async def _exchange(resources: Resources, job: Job) -> Job | None:
    assert job.code_sealed is not None
    code = resources.sealer.open(job.code_sealed, tenant_id=job.tenant_id, field=CODE_FIELD)
    token = await meta.exchange_code(resources, code)
    sealed = resources.sealer.seal(token, tenant_id=job.tenant_id, field=TOKEN_FIELD)
    return await _advance(
        resources, job, ConnectStage.IDENTIFY, access_token_sealed=sealed, code_sealed=None
    )


async def _identify(resources: Resources, job: Job) -> Job | None:
    token = token_of(resources, job)
    grant = await grant_of(resources, token)
    if isinstance(grant, Failure):
        raise _Ended(grant)
    named = grant.waba_ids if grant else ()
    wabas = [job.waba_id] if job.waba_id else list(named[:MOST_ACCOUNTS])
    if not wabas or (named and not set(wabas) <= set(named)):
        raise _Ended(NOT_IN_ACCOUNT)
    numbers: list[Number] = []
    for waba_id in wabas:
        numbers += read_numbers(waba_id, await meta.list_numbers(resources, waba_id, token))
    number = choose(numbers, job.phone_number_id)
    if isinstance(number, Failure):
        raise _Ended(number)
    return await _take(resources, job, number, grant)


async def _take(resources: Resources, job: Job, number: Number, grant: Grant | None) -> Job | None:
    """Make the number the tenant's, or find that somebody was faster."""
    async with resources.db.hot(job.tenant_id) as tx:
        # What Meta says of an account reaches all its numbers, so an account has one tenant: two
        # that connect numbers of it at once come one after the other.
        await tx.sql.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('waba:' || $1, 0))", number.waba_id
        )
        registry = resources.keep(ChannelRegistry)
        if await registry.is_held_elsewhere(job.tenant_id, number.waba_id):
            raise _Ended(TAKEN)
        try:
            return await note(
                tx,
                job,
                stage=ConnectStage.SUBSCRIBE,
                phone_number_id=number.phone_number_id,
                waba_id=number.waba_id,
                display_phone_number=number.display_phone_number,
                is_on_phone_app=number.is_on_phone_app,
                **_claim_of(grant),
            )
        except asyncpg.UniqueViolationError:
            raise _Ended(TAKEN) from None


def _claim_of(grant: Grant | None) -> dict[str, Any]:
    now = utcnow()
    checked = {"token_expires_at": grant.expires_at, "token_checked_at": now} if grant else {}
    return {"claimed_at": now, **checked}


async def _subscribe(resources: Resources, job: Job) -> Job | None:
    await meta.subscribe(resources, job.waba_id, token_of(resources, job))
    return await _advance(resources, job, ConnectStage.REGISTER, subscribed_at=utcnow())


async def _register(resources: Resources, job: Job) -> Job | None:
    """Register the number, unless it is registered already or lives on the phone app as well.

    Of one on the phone app its contacts and history are asked for instead: once, within a day of the
    signup, and not as a condition (WhatsApp Cloud API: coexistence).
    """
    token = token_of(resources, job)
    if job.is_on_phone_app:
        for sync_type in ("smb_app_state_sync", "history"):
            try:
                await meta.sync_phone_app(resources, job.phone_number_id, token, sync_type)
            except MetaRefused as refused:
                log.info("phone_app_not_synced", kind=sync_type, code=refused.error.code)
        return await _advance(resources, job, ConnectStage.CONFIRM)
    reading = await meta.read_number(resources, job.phone_number_id, token)
    if reading.get("status") == "CONNECTED" and job.pin_sealed is None:
        return await _advance(resources, job, ConnectStage.CONFIRM)
    if job.pin_sealed is None:
        # Kept before it is used: a PIN that nobody knows would lock the number.
        sealed = resources.sealer.seal(
            f"{secrets.randbelow(10**6):06}", tenant_id=job.tenant_id, field=PIN_FIELD
        )
        kept = await _advance(resources, job, ConnectStage.REGISTER, pin_sealed=sealed)
        if kept is None:
            return None
        job = kept
    assert job.pin_sealed is not None
    pin = resources.sealer.open(job.pin_sealed, tenant_id=job.tenant_id, field=PIN_FIELD)
    await meta.register(resources, job.phone_number_id, token, pin)
    return await _advance(resources, job, ConnectStage.CONFIRM, registered_at=utcnow())


async def _confirm(resources: Resources, job: Job) -> None:
    reading = await meta.read_number(resources, job.phone_number_id, token_of(resources, job))
    now = utcnow()
    at = next_look_at(job.token_expires_at, now, random.random())  # noqa: S311  # No secret.
    async with resources.db.hot(job.tenant_id) as tx:
        done = await note(
            tx,
            job,
            stage=None,
            status=ChannelStatus.CONNECTED,
            status_since=now,
            status_reason=None,
            reading=dumps(reading),
            checked_at=now,
            check_error=None,
            # A token that ends soon is announced at once, else when its time has come.
            due_at=now if alarm_of(job.token_expires_at, now) is not None else at,
        )
        if done is not None:
            tell_status(tx, job.id, ChannelStatus.CONNECTED, None)
            details = {"phone_number_id": job.phone_number_id, "waba_id": job.waba_id}
            await audit(tx, "channel.connected", "channel", job.id, details=details)
            log.info("channel_connected", channel_id=str(job.id))
            await list_soon(tx, job.waba_id)
            tx.ring(CHANNEL, job.id)


async def _advance(
    resources: Resources, job: Job, stage: ConnectStage, **columns: Any
) -> Job | None:
    """The next stage, its lease renewed; None when the channel was disconnected meanwhile."""
    async with resources.db.hot(job.tenant_id) as tx:
        due_at = utcnow() + timedelta(seconds=LEASE_SECONDS)
        return await note(tx, job, stage=stage, due_at=due_at, status_reason=None, **columns)


async def _put_off(resources: Resources, job: Job, reason: str) -> None:
    wait = retry_seconds(timedelta(seconds=job.for_seconds))
    if wait is None:
        await _fail(resources, job, Failure("meta_unavailable", f"{reason} Connect again later."))
        return
    log.warning("connecting_waits", channel_id=str(job.id), stage=job.stage, reason=reason)
    async with resources.db.hot(job.tenant_id) as tx:
        due_at = utcnow() + timedelta(seconds=wait)
        if await note(tx, job, status_reason=reason, due_at=due_at):
            tx.ring(CHANNEL, job.id, wait + 0.01)


async def _fail(resources: Resources, job: Job, failure: Failure) -> None:
    """End here, with the reason in words. Only a token that proved good for the number stays."""
    async with resources.db.hot(job.tenant_id) as tx:
        kept = {} if job.claimed_at else {"access_token_sealed": ""}
        failed = await note(
            tx,
            job,
            status=ChannelStatus.FAILED,
            status_reason=failure.words,
            status_since=utcnow(),
            failure_code=failure.code,
            due_at=None,
            code_sealed=None,
            **kept,
        )
        if failed:
            log.warning("connecting_failed", channel_id=str(job.id), code=failure.code)
            tell_status(tx, job.id, ChannelStatus.FAILED, failure.words)
            details = {"stage": job.stage, "code": failure.code}
            await audit(tx, "channel.failed", "channel", job.id, details=details)


_STAGES: dict[ConnectStage, Callable[[Resources, Job], Awaitable[Job | None]]] = {
    ConnectStage.EXCHANGE: _exchange,
    ConnectStage.IDENTIFY: _identify,
    ConnectStage.SUBSCRIBE: _subscribe,
    ConnectStage.REGISTER: _register,
    ConnectStage.CONFIRM: _confirm,
}
