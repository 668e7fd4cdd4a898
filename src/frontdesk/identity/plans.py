"""What a tenant's plan allows. Whoever makes a thing that is counted asks here first."""

from enum import StrEnum

from frontdesk.core.db import Transaction
from frontdesk.identity.errors import PlanLimitReached


class PlanLimit(StrEnum):
    """Things a plan may limit; the value is the column of `tenant` that says how many."""

    USERS = "max_users"
    CHANNELS = "max_channels"
    AGENTS = "max_agents"


COUNT_USERS = """
SELECT count(*) FROM membership WHERE disabled_at IS NULL
   AND tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
"""
_LIMIT = """
SELECT {} FROM tenant WHERE id = nullif(current_setting('app.tenant_id', true), '')::uuid
"""


async def require_room(tx: Transaction, limit: PlanLimit, count: str) -> None:
    """Make sure that one more fits the plan of the transaction's tenant, until it commits.

    Args:
        count: SQL that counts what the tenant has of these.

    Raises:
        PlanLimitReached: it does not.
    """
    most: int | None = await tx.sql.fetchval(_LIMIT.format(limit.value))
    if most is None:
        return
    # The tenant's row can't be locked by the application's role. Two who make the last one at once
    # come one after the other by this, and only where there is a limit.
    await tx.sql.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1 || current_setting('app.tenant_id'), 0))",
        limit.value,
    )
    if await tx.sql.fetchval(count) >= most:
        what = limit.value.removeprefix("max_")
        raise PlanLimitReached(f"The plan allows {most} {what}.", limit=most, what=what)
