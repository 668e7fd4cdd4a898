"""What billing may do to a tenant: give it the limits of its plan, suspend it, take it back.

As the system role, like the platform's own changes; nobody is named in the audit log but the system.
"""

from dataclasses import asdict, dataclass
from uuid import UUID

from frontdesk.core.db import Transaction
from frontdesk.core.resources import Resources
from frontdesk.identity.api_keys import forget_keys
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.models import TenantStatus
from frontdesk.identity.sessions import act_in, end_sessions
from frontdesk.observability import audit

_SET_PLAN = """
UPDATE tenant SET plan = $2::text, max_users = $3::int, max_channels = $4::int, max_agents = $5::int,
    max_conversations_at_once = $6::int
WHERE id = $1 AND (plan, max_users, max_channels, max_agents, max_conversations_at_once)
    IS DISTINCT FROM ($2::text, $3::int, $4::int, $5::int, $6::int)
RETURNING true
"""
_SET_STATUS = "UPDATE tenant SET status = $2 WHERE id = $1 AND status <> $2 RETURNING true"


@dataclass(frozen=True)
class PlanTerms:
    """What a plan allows; None is as much as anybody likes."""

    max_users: int | None
    max_channels: int | None
    max_agents: int | None
    max_conversations_at_once: int | None


async def set_plan(resources: Resources, tenant_id: UUID, plan: str, limits: PlanTerms) -> None:
    """Let a tenant have what it bought; safe to repeat. What is over a lower limit stays."""
    async with resources.db.system_transaction() as tx:
        if await tx.sql.fetchval(
            _SET_PLAN,
            tenant_id,
            plan,
            limits.max_users,
            limits.max_channels,
            limits.max_agents,
            limits.max_conversations_at_once,
        ):
            details = {"plan": plan, **asdict(limits), "by": "subscription"}
            await _audit(tx, tenant_id, "tenant.changed", details)


async def suspend_unpaid(resources: Resources, tenant_id: UUID) -> bool:
    """Serve a tenant no longer, as `suspend` does; whether it was served until now."""
    async with resources.db.system_transaction() as tx:
        changed = await tx.sql.fetchval(_SET_STATUS, tenant_id, TenantStatus.SUSPENDED.value)
        if changed:
            await end_sessions(tx.sql, tenant_id, None)
            reason = "The subscription has been unpaid for too long."
            await _audit(tx, tenant_id, "tenant.suspended", {"reason": reason})
    resources.keep(LiveSessions).forget_tenant(tenant_id)
    await forget_keys(resources, tenant_id)
    return bool(changed)


async def resume_paid(resources: Resources, tenant_id: UUID) -> None:
    """Serve a tenant again that has paid; what its contacts wrote meanwhile is answered now."""
    async with resources.db.system_transaction() as tx:
        if await tx.sql.fetchval(_SET_STATUS, tenant_id, TenantStatus.ACTIVE.value):
            await _audit(tx, tenant_id, "tenant.resumed", {"reason": "The subscription is paid."})


async def _audit(tx: Transaction, tenant_id: UUID, action: str, details: dict[str, object]) -> None:
    await act_in(tx, tenant_id)
    await audit(tx, action, "tenant", tenant_id, details=details)
