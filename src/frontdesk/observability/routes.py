"""HTTP of observability: model calls, the audit log, health and metrics."""

import hmac
from ipaddress import ip_address
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import AwareDatetime

from frontdesk.core.api import (
    PUBLIC,
    AdminOnly,
    Cursor,
    Limit,
    ResourcesDep,
    Router,
    Staff,
    TenantSession,
    problems,
)
from frontdesk.core.callers import resources_of
from frontdesk.core.errors import Forbidden, NotFound, Unauthenticated
from frontdesk.core.pages import Page
from frontdesk.observability import audit_log, llm_calls
from frontdesk.observability.audit_log import AuditFilter
from frontdesk.observability.health import is_ready
from frontdesk.observability.overdue import BacklogGauges
from frontdesk.observability.schemas import (
    AlivePublic,
    AuditEntryPublic,
    LlmCallPublic,
    LlmCallSummary,
    ReadinessPublic,
)

api = Router(prefix="/api/v1", tags=["observability"])
health = Router(tags=["health"], dependencies=[PUBLIC])


@api.get("/llm-calls", summary="List model calls", responses=problems(NotFound))
async def list_llm_calls(
    who: Staff,
    session: TenantSession,
    conversation_id: Annotated[
        UUID | None, Query(description="Only the calls made for this conversation.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LlmCallSummary]:
    """Attempts at models, newest first: what each was for and what it took, not what was said."""
    return await llm_calls.list_llm_calls(
        session, conversation_id=conversation_id, limit=limit, cursor=cursor
    )


@api.get("/llm-calls/{call_id}", summary="Read a model call", responses=problems(NotFound))
async def get_llm_call(call_id: UUID, who: AdminOnly, session: TenantSession) -> LlmCallPublic:
    """One attempt with all that was sent and all that came back."""
    return await llm_calls.get_llm_call(session, call_id)


def _wanted(
    action: Annotated[
        str | None,
        Query(
            max_length=100,
            pattern=r"^[a-z_.]+$",
            examples=["member.role_changed"],
            description="Only this kind of action.",
        ),
    ] = None,
    subject: Annotated[
        str | None,
        Query(max_length=100, pattern=r"^[a-z_]+$", description="Only about this kind of thing."),
    ] = None,
    subject_id: Annotated[
        str | None,
        Query(
            max_length=100, pattern=r"^[\w.:-]+$", description="Only what was done to this thing."
        ),
    ] = None,
    user_id: Annotated[UUID | None, Query(description="Only what this user did.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="From this moment on.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this moment.")] = None,
) -> AuditFilter:
    return AuditFilter(
        action=action,
        subject=subject,
        subject_id=subject_id,
        user_id=user_id,
        since=since,
        until=until,
    )


Wanted = Annotated[AuditFilter, Depends(_wanted)]


@api.get("/audit-entries", summary="Read the audit log", responses=problems(NotFound))
async def list_audit_entries(
    who: AdminOnly, session: TenantSession, wanted: Wanted, limit: Limit = 50, cursor: Cursor = None
) -> Page[AuditEntryPublic]:
    """Who did what to what, newest first. Entries can be neither changed nor deleted."""
    await audit_log.require_known(session, wanted)
    return await audit_log.list_audit_entries(session, wanted, limit=limit, cursor=cursor)


@api.get(
    "/audit-entries/csv",
    summary="Fetch the audit log as CSV",
    response_class=StreamingResponse,
    responses={
        **problems(NotFound),
        200: {"content": {"text/csv": {}}, "description": "A line per entry, newest first"},
    },
)
async def fetch_audit_log(
    who: AdminOnly, session: TenantSession, resources: ResourcesDep, wanted: Wanted
) -> StreamingResponse:
    """All entries that the same filters find, for a spreadsheet or an archive; itself audited."""
    await audit_log.require_known(session, wanted)
    await audit_log.audit(
        session, "audit.downloaded", "audit_entry", user_id=who.user_id, request_id=who.request_id
    )
    return StreamingResponse(
        audit_log.audit_as_csv(resources, who.tenant_id, wanted),
        media_type="text/csv",
        headers={
            "Content-Disposition": 'attachment; filename="audit-log.csv"',
            "Cache-Control": "no-store",
        },
    )


@health.get("/livez", summary="Is the process alive?")
async def livez() -> AlivePublic:
    """Answers as long as the process does, whatever the state of what it depends on."""
    return AlivePublic(ok=True)


@health.get(
    "/readyz",
    summary="Should it get requests?",
    response_model=ReadinessPublic,
    responses={503: {"model": ReadinessPublic, "description": "A required check fails"}},
)
async def readyz(request: Request, resources: ResourcesDep) -> Response:
    """Named checks, each with what it saw; 503 when a required one fails, else 200.

    What only makes work slower or worse (Redis, workers, a backlog, a model that is down) is told but
    does not make the process unready: webhooks are still stored.
    """
    readiness = await is_ready(resources, request.app.state.more_checks)
    return JSONResponse(readiness.model_dump(mode="json"), 200 if readiness.ok else 503)


def _may_read_metrics(request: Request) -> None:
    token = resources_of(request).settings.web.metrics_token
    if token is None:
        if not _is_loopback(request.client.host if request.client else ""):
            raise Forbidden("Metrics are only served to this machine.")
        return
    expected = f"Bearer {token.get_secret_value()}".encode()
    given = request.headers.get("authorization", "").encode("latin-1")
    if not hmac.compare_digest(given, expected):
        raise Unauthenticated("Send the metrics token as a Bearer token.")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@health.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    responses=problems(Forbidden),
    dependencies=[Depends(_may_read_metrics)],
)
async def metrics(resources: ResourcesDep) -> Response:
    """This process's metrics, to this machine only or, when a token is set, to whoever sends it.

    With them, of the whole deployment: how old the oldest unfinished work is, and what waits for
    people.
    """
    await resources.keep(BacklogGauges).refresh()
    return Response(
        generate_latest(resources.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


router = Router(
    routes=[
        *api.routes,
        *health.routes,
    ]
)
