"""HTTP of privacy: exports, erasures, and how long things are kept."""

from uuid import UUID

from fastapi.responses import FileResponse

from frontdesk.core.api import (
    AdminOnly,
    Cursor,
    Limit,
    Now,
    ResourcesDep,
    Router,
    TenantSession,
    problems,
)
from frontdesk.core.errors import NotFound
from frontdesk.core.pages import Page
from frontdesk.privacy import erasures, exports, retention
from frontdesk.privacy.errors import AlreadyRunning, ExportGone, NoSuchContact
from frontdesk.privacy.schemas import (
    ErasureCreate,
    ErasurePublic,
    ExportCreate,
    ExportPublic,
    RetentionPublic,
    RetentionUpdate,
)

router = Router(prefix="/api/v1", tags=["privacy"])


@router.post(
    "/exports",
    status_code=202,
    summary="Export data",
    responses=problems(NoSuchContact, AlreadyRunning),
)
async def start_export(body: ExportCreate, who: AdminOnly, session: TenantSession) -> ExportPublic:
    """All of the tenant's data, or a contact's, as a zip of JSON Lines; a worker makes it.

    One at a time. `export.changed` on the feed tells how far it is; then fetch its file.
    """
    return await exports.start_export(session, who, body.contact_id)


@router.get("/exports", summary="List exports", responses=problems())
async def list_exports(
    who: AdminOnly, session: TenantSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[ExportPublic]:
    """Exports, newest first, also those whose file is gone."""
    return await exports.list_exports(session, limit=limit, cursor=cursor)


@router.get("/exports/{export_id}", summary="Read an export", responses=problems(NotFound))
async def get_export(export_id: UUID, who: AdminOnly, session: TenantSession) -> ExportPublic:
    """How far it is, and until when its file can be fetched."""
    return await exports.get_export(session, export_id)


@router.get(
    "/exports/{export_id}/file",
    summary="Fetch an export's file",
    response_class=FileResponse,
    responses={
        **problems(NotFound, ExportGone),
        200: {"content": {"application/zip": {}}, "description": "The file"},
    },
)
async def fetch_export(
    export_id: UUID, who: AdminOnly, session: TenantSession, resources: ResourcesDep, now: Now
) -> FileResponse:
    """The zip, for the tenant's admins and until it expires; each fetch is in the audit log."""
    path = await exports.fetch_file(resources, session, who, export_id, now=now)
    return FileResponse(
        path,
        media_type="application/zip",
        filename=f"export-{export_id}.zip",
        content_disposition_type="attachment",
        headers={"Cache-Control": "no-store"},
    )


@router.post(
    "/erasures",
    status_code=202,
    summary="Erase a contact",
    responses=problems(NoSuchContact, AlreadyRunning),
)
async def start_erasure(
    body: ErasureCreate, who: AdminOnly, session: TenantSession
) -> ErasurePublic:
    """Remove what a contact said and is known by, everywhere; it can't be undone.

    Counts, costs and outcomes stay, naming nobody. What is told again of the time before is never
    taken in; if the person writes again, they are a new contact.
    """
    erasure_id = await erasures.start_erasure(
        session, body.contact_id, user_id=who.user_id, request_id=who.request_id
    )
    return await erasures.get_erasure(session, erasure_id)


@router.get("/erasures", summary="List erasures", responses=problems())
async def list_erasures(
    who: AdminOnly, session: TenantSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[ErasurePublic]:
    """Erasures, newest first: the receipts of what was removed."""
    return await erasures.list_erasures(session, limit=limit, cursor=cursor)


@router.get("/erasures/{erasure_id}", summary="Read an erasure", responses=problems(NotFound))
async def get_erasure(erasure_id: UUID, who: AdminOnly, session: TenantSession) -> ErasurePublic:
    """How far it is, what was changed, and what was found when it was verified."""
    return await erasures.get_erasure(session, erasure_id)


@router.get("/retention", summary="Read how long things are kept", responses=problems())
async def get_retention(
    who: AdminOnly, session: TenantSession, resources: ResourcesDep
) -> RetentionPublic:
    """The days that hold: the tenant's own, or the deployment's."""
    return await retention.get_retention(session, resources.settings.retention)


@router.put("/retention", summary="Keep things for fewer days", responses=problems())
async def set_retention(
    body: RetentionUpdate, who: AdminOnly, session: TenantSession, resources: ResourcesDep
) -> RetentionPublic:
    """Fewer days than the deployment keeps things, or null for as many. Within the hour, what is
    older is gone."""
    return await retention.set_retention(session, who, resources.settings.retention, body)
