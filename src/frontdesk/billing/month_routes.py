"""HTTP of monthly reports: as JSON, as CSV and as a page, and what people and files cost."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Response

from frontdesk.billing import month_pages, months, terms
from frontdesk.billing.money_schemas import TermsPublic, TermsUpdate
from frontdesk.billing.month_schemas import MonthPublic
from frontdesk.core.api import (
    IfMatch,
    Now,
    ReadsUsage,
    Router,
    TenantSession,
    WritesConfig,
    problems,
    set_etag,
)
from frontdesk.core.db import Session
from frontdesk.core.errors import Forbidden, PreconditionFailed, PreconditionRequired
from frontdesk.core.pages import check_version

router = Router(prefix="/api/v1/usage", tags=["usage"])
Month = Annotated[str, Path(description="Like 2026-11, or `current`.", examples=["2026-11"])]


@router.get("/months/{month}", summary="Report a month", responses=problems(Forbidden))
async def report_month(
    month: Month, who: ReadsUsage, session: TenantSession, now: Now
) -> MonthPublic:
    """What a month cost, what for, per conversation and per resolution, what is left of what is
    paid, and what it will have come to."""
    return await _report(month, session, now)


@router.get(
    "/months/{month}/csv",
    summary="Fetch a month as CSV",
    response_class=Response,
    responses={
        **problems(Forbidden),
        200: {"content": {"text/csv": {}}, "description": "A line for each slice of the report"},
    },
)
async def fetch_month_csv(
    month: Month, who: ReadsUsage, session: TenantSession, now: Now
) -> Response:
    """The same numbers for a spreadsheet."""
    report = await _report(month, session, now)
    name = f'attachment; filename="usage-{report.month}.csv"'
    headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
    return Response(month_pages.as_csv(report), media_type="text/csv", headers=headers)


@router.get(
    "/months/{month}/html",
    summary="Read a month as a page",
    response_class=Response,
    responses={
        **problems(Forbidden),
        200: {"content": {"text/html": {}}, "description": "One page with charts"},
    },
)
async def show_month(month: Month, who: ReadsUsage, session: TenantSession, now: Now) -> Response:
    """The same numbers for people, with charts; it loads nothing, and prints as it looks."""
    report = await _report(month, session, now)
    name = await months.tenant_name(session)
    page = month_pages.as_html(report, name)
    return Response(page, media_type="text/html", headers={"Cache-Control": "no-store"})


@router.get("/terms", summary="Read what people and files cost", responses=problems(Forbidden))
async def get_cost_terms(
    who: ReadsUsage, session: TenantSession, response: Response
) -> TermsPublic:
    """What a minute of a human agent and a GiB kept for a month cost you, and what you pay."""
    found = await terms.get_terms(session)
    set_etag(response, found.version)
    return found


@router.put(
    "/terms",
    summary="Say what people and files cost",
    responses=problems(Forbidden, PreconditionFailed, PreconditionRequired),
)
async def set_cost_terms(
    body: TermsUpdate,
    who: WritesConfig,
    session: TenantSession,
    response: Response,
    if_match: IfMatch = None,
) -> TermsPublic:
    """From now on; what was counted before keeps its price. Null counts without an amount."""
    changed = await terms.set_terms(
        session, body, check=lambda version: check_version(if_match, version), by=who.user_id
    )
    set_etag(response, changed.version)
    return changed


async def _report(month: str, session: Session, now: datetime) -> MonthPublic:
    today = now.date()
    span = months.span_of_month(None if month == "current" else month, today=today)
    return await months.report_month(session, span, today=today)
