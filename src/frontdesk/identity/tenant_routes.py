"""HTTP of the platform: super admins make tenants, limit, suspend and, with a reason, visit them."""

from uuid import UUID

from frontdesk.core.api import Cursor, Limit, ResourcesDep, Router, SuperAdminOnly, problems
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.core.pages import Page
from frontdesk.identity import tenants
from frontdesk.identity.errors import PlanLimitReached, SlugTaken, WeakPassword
from frontdesk.identity.models import TenantStatus
from frontdesk.identity.onboarding_errors import MfaMissing
from frontdesk.identity.tenant_schemas import (
    ActAs,
    ActingPublic,
    Suspension,
    TenantAccountPublic,
    TenantCreate,
    TenantUpdate,
)

router = Router(prefix="/api/v1/tenants", tags=["tenants"])


@router.post(
    "",
    status_code=201,
    summary="Make a tenant",
    responses=problems(Forbidden, SlugTaken, WeakPassword, PlanLimitReached),
)
async def create_tenant(
    body: TenantCreate, who: SuperAdminOnly, resources: ResourcesDep
) -> TenantAccountPublic:
    """A new tenant with its plan and, if you give one, its first admin."""
    return await tenants.open_tenant(resources, body, by=who)


@router.get("", summary="List the tenants", responses=problems(Forbidden))
async def list_tenants(
    who: SuperAdminOnly,
    resources: ResourcesDep,
    status: TenantStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TenantAccountPublic]:
    """All tenants, the oldest first: what they may use, nothing of what they do."""
    return await tenants.list_tenants(resources, status=status, limit=limit, cursor=cursor)


@router.get("/{tenant_id}", summary="Read a tenant", responses=problems(Forbidden, NotFound))
async def get_tenant(
    tenant_id: UUID, who: SuperAdminOnly, resources: ResourcesDep
) -> TenantAccountPublic:
    """One tenant."""
    return await tenants.get_tenant(resources, tenant_id)


@router.patch("/{tenant_id}", summary="Change a tenant", responses=problems(Forbidden, NotFound))
async def change_tenant(
    tenant_id: UUID, body: TenantUpdate, who: SuperAdminOnly, resources: ResourcesDep
) -> TenantAccountPublic:
    """Change name, plan or limits. What a lowered limit leaves over stays; there is no more of it."""
    return await tenants.change_tenant(resources, tenant_id, body, by=who)


@router.post(
    "/{tenant_id}/suspend", summary="Suspend a tenant", responses=problems(Forbidden, NotFound)
)
async def suspend_tenant(
    tenant_id: UUID, body: Suspension, who: SuperAdminOnly, resources: ResourcesDep
) -> TenantAccountPublic:
    """Nobody signs in, open sessions and streams end within thirty seconds, no AI agent answers.

    What contacts write is still received and stored, and waits unanswered.
    """
    return await tenants.suspend(resources, tenant_id, body, by=who)


@router.post(
    "/{tenant_id}/resume", summary="Resume a tenant", responses=problems(Forbidden, NotFound)
)
async def resume_tenant(
    tenant_id: UUID, who: SuperAdminOnly, resources: ResourcesDep
) -> TenantAccountPublic:
    """Serve it again: people sign in anew, and what contacts wrote meanwhile is answered."""
    return await tenants.resume(resources, tenant_id, by=who)


@router.post(
    "/{tenant_id}/act-as",
    status_code=201,
    summary="Act as a tenant",
    responses=problems(Forbidden, NotFound, MfaMissing),
)
async def act_as_tenant(
    tenant_id: UUID, body: ActAs, who: SuperAdminOnly, resources: ResourcesDep
) -> ActingPublic:
    """Be an admin of this tenant for a while, with this session; it ends by itself.

    The tenant reads in its audit log who came, why and until when, and each entry made meanwhile
    carries the `acting_id`. A session acts in one tenant at a time; where members need an
    authenticator app, so does whoever acts.
    """
    return await tenants.act_as(resources, tenant_id, body, by=who)


@router.delete(
    "/{tenant_id}/act-as",
    status_code=204,
    summary="Stop acting as a tenant",
    responses=problems(Forbidden, NotFound),
)
async def stop_acting_as_tenant(
    tenant_id: UUID, who: SuperAdminOnly, resources: ResourcesDep
) -> None:
    """Leave the tenant before the time is up."""
    await tenants.stop_acting(resources, tenant_id, by=who)
