"""HTTP of unusual hours: watched and acknowledged by admins."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.billing import anomalies
from frontdesk.billing.anomaly_schemas import AnomalyPublic
from frontdesk.billing.errors import NoSuchAnomaly
from frontdesk.core.api import (
    Cursor,
    Limit,
    ReadsUsage,
    Router,
    TenantSession,
    WritesConfig,
    problems,
)
from frontdesk.core.errors import Forbidden
from frontdesk.core.pages import Page

router = Router(prefix="/api/v1/usage/anomalies", tags=["usage"])


@router.get("", summary="List unusual hours", responses=problems(Forbidden))
async def list_usage_anomalies(
    who: ReadsUsage,
    session: TenantSession,
    is_open: Annotated[
        bool | None, Query(alias="open", description="Only those nobody has acknowledged.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AnomalyPublic]:
    """Hours in which far more was spent, called or used than usual, newest first, each with why."""
    return await anomalies.list_anomalies(session, is_open=is_open, limit=limit, cursor=cursor)


@router.post(
    "/{anomaly_id}/acknowledge",
    summary="Acknowledge an unusual hour",
    responses=problems(Forbidden, NoSuchAnomaly),
)
async def acknowledge_usage_anomaly(
    anomaly_id: UUID, who: WritesConfig, session: TenantSession
) -> AnomalyPublic:
    """Say that somebody has seen to it; again changes nothing."""
    return await anomalies.acknowledge(session, anomaly_id, by=who.user_id)
