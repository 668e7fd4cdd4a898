"""A tenant's account at Stripe as due work: every hour, and soon after something was bought.

What Stripe's events did not tell, since one was lost, is noticed here within hours.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from frontdesk import identity
from frontdesk.billing.stripe import outbox
from frontdesk.billing.stripe.accounts import hear
from frontdesk.billing.stripe.standing import ENDED, Standing, is_to_be_suspended
from frontdesk.core.db import Connection
from frontdesk.core.errors import FrontdeskError
from frontdesk.core.resources import Resources

log = structlog.get_logger(__name__)

LEASE_SECONDS = 300
# The hour's usage is cut a little after its end: what began in it has been written by then.
AFTER_THE_HOUR = timedelta(minutes=3)
BEFORE_THE_HOUR = timedelta(minutes=2)
HEARD_LATELY = timedelta(hours=6)
UNDONE_LATELY = timedelta(hours=2)

_DUE = "SELECT tenant_id FROM stripe_account WHERE due_at <= now() ORDER BY due_at LIMIT $1"
_CLAIM = """
UPDATE stripe_account SET attempts = attempts + 1, due_at = now() + make_interval(secs => $1)
WHERE due_at <= now() RETURNING heard_at, attempts
"""
_METERED = """
SELECT metered_from, metered_until, status, standing_since FROM stripe_account FOR UPDATE
"""
_STANDS = "SELECT standing, standing_since, suspended_at FROM stripe_account"
_DONE = """
UPDATE stripe_account SET attempts = 0, last_error = $3, due_at = $2 WHERE attempts = $1
"""


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Accounts to look after; a tenant has one at most."""
    return [(row["tenant_id"],) * 2 for row in await connection.fetch(_DUE, limit)]


async def handle(resources: Resources, tenant_id: UUID, _row_id: UUID) -> None:
    """Hear how the tenant stands, meter what it used, and suspend it if it has not paid for long.

    Run twice, each part finds that it has been done.
    """
    if resources.settings.stripe.secret_key is None:
        return
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(_CLAIM, float(LEASE_SECONDS))
    if row is None:
        return
    now, problem = datetime.now(UTC), None
    if row["heard_at"] is None or now - row["heard_at"] > HEARD_LATELY:
        try:
            await hear(resources, tenant_id)
        except FrontdeskError as error:
            # Usage is cut into batches all the same, so that none grows too old.
            problem = str(error)
            log.warning("stripe_not_heard", tenant_id=str(tenant_id), error=problem)
    while await _cut_a_day(resources, tenant_id, now):
        pass
    await _suspend_if_long_unpaid(resources, tenant_id, now)
    async with resources.db.hot(tenant_id) as tx:
        again = next_look_at(now, soon=problem is not None)
        await tx.sql.execute(_DONE, row["attempts"], again, problem and problem[:500])


def next_look_at(now: datetime, *, soon: bool) -> datetime:
    """When to look again: after the next full hour, or within minutes when something went wrong.

    Not all tenants at the same moment: within ten minutes after the hour.
    """
    if soon:
        return now + timedelta(minutes=5)
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return hour + AFTER_THE_HOUR + timedelta(seconds=random.uniform(0, 600))  # noqa: S311  # No secret.


async def _cut_a_day(resources: Resources, tenant_id: UUID, now: datetime) -> bool:
    """Put the usage of up to a day into batches; whether there may be more to cut."""
    full_hour = (now - BEFORE_THE_HOUR).replace(minute=0, second=0, microsecond=0)
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(_METERED)
        if row is None or row["metered_from"] is None or row["metered_until"] >= full_hour:
            return False
        upto: datetime = min(full_hour, row["metered_until"] + timedelta(days=1))
        # Whoever has no subscription any more is sent no invoice: what is used since is not metered.
        ended_at = row["standing_since"] if row["status"] in ENDED else None
        billed = upto if ended_at is None else min(upto, ended_at)
        if billed > row["metered_until"]:
            await outbox.cut(tx, row["metered_from"], row["metered_until"], billed)
        await tx.sql.execute("UPDATE stripe_account SET metered_until = $1", upto)
        return upto < full_hour


async def _suspend_if_long_unpaid(resources: Resources, tenant_id: UUID, now: datetime) -> None:
    async with resources.db.hot(tenant_id) as tx:
        stands = await tx.sql.fetchrow(_STANDS)
    if stands is None:
        return
    noted_at: datetime | None = stands["suspended_at"]
    # Noted a while ago, it has been done; a worker may have died in between.
    if noted_at is not None and now - noted_at > UNDONE_LATELY:
        return
    standing, since = Standing(stands["standing"]), stands["standing_since"]
    after_days = resources.settings.stripe.suspend_after_days
    if not is_to_be_suspended(standing, since, now, after_days=after_days):
        return
    # First the note, by which payment knows that it may undo it. A tenant that the platform had
    # suspended before is not ours to bring back.
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(
            "UPDATE stripe_account a SET suspended_at = coalesce(a.suspended_at, now()) "
            "FROM tenant t WHERE t.id = a.tenant_id AND t.status = 'ACTIVE'"
        )
    await identity.suspend_unpaid(resources, tenant_id)
