"""HTTP of drills: outages simulated for one tenant, begun and ended by super admins."""

from uuid import UUID

from frontdesk.core.api import Cursor, Limit, ResourcesDep, Router, SuperAdminOnly, problems
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, page_of
from frontdesk.observability import DrillRuns, NoSuchDrill
from frontdesk.pipeline import drilling
from frontdesk.pipeline.drill_schemas import (
    DrillCreate,
    DrillPublic,
    DrillReportPublic,
    DrillWithReport,
)

router = Router(prefix="/api/v1/tenants/{tenant_id}/drills", tags=["drills"])


@router.post(
    "",
    status_code=201,
    summary="Start a drill",
    responses=problems(Forbidden, NotFound, DrillRuns),
)
async def start_drill(
    tenant_id: UUID, body: DrillCreate, who: SuperAdminOnly, resources: ResourcesDep
) -> DrillPublic:
    """Let one tenant do without models, WhatsApp or Redis for some minutes; no other notices.

    Workers follow within five seconds. Messages wait and leave when it is over, unless their window
    would close before. The tenant's people see it on the feed and in their audit log.
    """
    drill = await drilling.start_drill(
        resources,
        tenant_id,
        body.outage,
        minutes=body.minutes,
        confirm=body.confirm,
        provider=body.provider,
        by=who.user_id,
    )
    return DrillPublic.model_validate(drill)


@router.get("", summary="List drills", responses=problems(Forbidden))
async def list_drills(
    tenant_id: UUID,
    who: SuperAdminOnly,
    resources: ResourcesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DrillPublic]:
    """The tenant's drills, newest first."""
    values = decode_cursor(cursor, 1)
    before = cursor_uuid(values[0]) if values else None
    found = await drilling.drills_of(resources, tenant_id, limit=limit + 1, before=before)
    return page_of(found, DrillPublic.model_validate, limit=limit)


@router.get("/{drill_id}", summary="Read a drill", responses=problems(Forbidden, NoSuchDrill))
async def get_drill(
    tenant_id: UUID, drill_id: UUID, who: SuperAdminOnly, resources: ResourcesDep
) -> DrillWithReport:
    """A drill, and what contacts saw of it: how long they waited, what they were told, who took over."""
    drill, report = await drilling.read_drill(resources, tenant_id, drill_id)
    return DrillWithReport(
        **DrillPublic.model_validate(drill).model_dump(),
        report=DrillReportPublic.model_validate(report),
    )


@router.post("/{drill_id}/stop", summary="End a drill", responses=problems(Forbidden, NoSuchDrill))
async def stop_drill(
    tenant_id: UUID, drill_id: UUID, who: SuperAdminOnly, resources: ResourcesDep
) -> DrillPublic:
    """End it before its time; workers follow within seconds. Safe to repeat."""
    drill = await drilling.stop_drill(resources, tenant_id, drill_id, by=who.user_id)
    return DrillPublic.model_validate(drill)
