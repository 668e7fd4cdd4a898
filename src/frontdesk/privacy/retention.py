"""How long a tenant keeps things: the deployment's days, or fewer of its own."""

from frontdesk.core.callers import Principal
from frontdesk.core.db import Session
from frontdesk.core.errors import Invalid
from frontdesk.core.settings import RetentionSettings
from frontdesk.observability import audit
from frontdesk.privacy.models import TenantRetention
from frontdesk.privacy.schemas import RetentionPublic, RetentionUpdate


async def get_retention(session: Session, limits: RetentionSettings) -> RetentionPublic:
    """The days that hold for the tenant."""
    own = await session.get(TenantRetention, session.tenant_id) or TenantRetention()
    return RetentionPublic(
        feed_days=min(limits.feed_days, own.feed_days or limits.feed_days),
        llm_text_days=min(limits.llm_text_days, own.llm_text_days or limits.llm_text_days),
        export_days=min(limits.export_days, own.export_days or limits.export_days),
        media_days=min(limits.media_days, own.media_days or limits.media_days),
        webhook_days=limits.webhook_days,
    )


async def set_retention(
    session: Session, who: Principal, limits: RetentionSettings, body: RetentionUpdate
) -> RetentionPublic:
    """Keep things for fewer days than the deployment does.

    Raises:
        Invalid: more days than the deployment keeps them.
    """
    for name, days in body.model_dump().items():
        if days is not None and days > (most := getattr(limits, name)):
            raise Invalid(f"{name} can be at most {most}, which is what this deployment keeps.")
    before = await get_retention(session, limits)
    await session.sql.execute(
        "INSERT INTO tenant_retention (feed_days, llm_text_days, export_days, media_days) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id) DO UPDATE SET feed_days = $1, "
        "llm_text_days = $2, export_days = $3, media_days = $4",
        body.feed_days,
        body.llm_text_days,
        body.export_days,
        body.media_days,
    )
    session.expire_all()
    after = await get_retention(session, limits)
    await audit(
        session,
        "retention.changed",
        "tenant_retention",
        user_id=who.user_id,
        details={"before": before.model_dump(), "after": after.model_dump()},
        request_id=who.request_id,
    )
    return after
