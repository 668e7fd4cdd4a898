"""Usage over HTTP: what the tenant used and what it costs."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.billing import service
from frontdesk.billing.anomaly_routes import router as anomalies
from frontdesk.billing.budget_routes import router as budgets
from frontdesk.billing.ledger import UsageKind
from frontdesk.billing.money_schemas import EntryPublic
from frontdesk.billing.month_routes import router as months
from frontdesk.billing.platform_routes import prices, tenants
from frontdesk.billing.schemas import (
    ConversationUsagePublic,
    UsageGrouping,
    UsageReportPublic,
)
from frontdesk.billing.stripe.routes import router as stripe
from frontdesk.core.api import Cursor, Limit, Now, ReadsUsage, Router, TenantSession, problems
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, encode_cursor

usage = Router(prefix="/api/v1/usage", tags=["usage"])


@usage.get("", summary="Report usage", responses=problems(Forbidden))
async def report_usage(
    *,
    principal: ReadsUsage,
    session: TenantSession,
    now: Now,
    from_day: Annotated[
        date | None,
        Query(alias="from", description="First day (UTC). Default: the first of that month."),
    ] = None,
    to_day: Annotated[
        date | None, Query(alias="to", description="Last day (UTC), included. Default: today.")
    ] = None,
    group_by: Annotated[UsageGrouping, Query(description="What to slice by.")] = UsageGrouping.DAY,
    kind: Annotated[UsageKind | None, Query(description="Only usage of this kind.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> UsageReportPublic:
    """Tokens, calls, delivered messages, people's time, storage and cost of a span of days, sliced.

    Only conversations and contacts come in pages; `total` is always that of the whole span.
    """
    values = decode_cursor(cursor, 1)
    report, next_after = await service.report_usage(
        session,
        service.span_of(from_day, to_day, today=now.date()),
        group_by,
        kind=kind,
        after=cursor_uuid(values[0]) if values else None,
        limit=limit,
    )
    if next_after is None:
        return report
    return report.model_copy(update={"next_cursor": encode_cursor(next_after)})


@usage.get(
    "/conversations/{conversation_id}",
    summary="Report a conversation's usage",
    responses=problems(Forbidden, NotFound),
)
async def get_conversation_usage(
    conversation_id: UUID, principal: ReadsUsage, session: TenantSession
) -> ConversationUsagePublic:
    """What one conversation used, in all and by feature and model."""
    return await service.get_conversation_usage(session, conversation_id)


@usage.get("/entries", summary="Read the ledger", responses=problems(Forbidden, NotFound))
async def list_usage_entries(
    principal: ReadsUsage,
    session: TenantSession,
    conversation_id: Annotated[UUID | None, Query(description="Only of this one.")] = None,
    kind: Annotated[UsageKind | None, Query(description="Only usage of this kind.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EntryPublic]:
    """Each thing that was used, newest first, with the prices of then; corrections among them."""
    return await service.list_entries(
        session, conversation_id=conversation_id, kind=kind, limit=limit, cursor=cursor
    )


router = Router(
    routes=[
        *usage.routes,
        *months.routes,
        *anomalies.routes,
        *budgets.routes,
        *prices.routes,
        *tenants.routes,
        *stripe.routes,
    ]
)
