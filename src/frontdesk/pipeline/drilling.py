"""Drills from beginning to end: who may begin one, what the tenant is told, what contacts saw."""

from uuid import UUID

from frontdesk import feed, gateway
from frontdesk.core.db import Transaction
from frontdesk.core.errors import Invalid, NotFound
from frontdesk.core.resources import Resources
from frontdesk.observability import (
    DRILL,
    DrillRecord,
    Outage,
    begin_drill,
    end_drill,
    get_drill,
    list_drills,
    list_over,
)
from frontdesk.pipeline.drill_report import DrillReport, report_of
from frontdesk.pipeline.happenings import DrillEnded, DrillStarted

# Longer and it is no drill; shorter than what a message's window leaves it, so nothing is lost.
MOST_MINUTES = 60


async def start_drill(
    resources: Resources,
    tenant_id: UUID,
    outage: Outage,
    *,
    minutes: int,
    confirm: str,
    provider: str | None = None,
    by: UUID | None = None,
) -> DrillRecord:
    """Let a tenant do without models, WhatsApp or Redis for some minutes, beginning in seconds.

    Args:
        confirm: the tenant's short name, so that nobody drills a tenant by mistake.
        provider: of `MODELS`, the one that is away, as models name it; None is all.

    Raises:
        NotFound: there is no such tenant.
        Invalid: `confirm` is not its short name, or there is no such provider to be away.
        DrillRuns: the same is simulated for it already.
    """
    if not 1 <= minutes <= MOST_MINUTES:
        raise Invalid(f"A drill takes 1 to {MOST_MINUTES} minutes.")
    if provider is not None and outage is not Outage.MODELS:
        raise Invalid("Only models have a provider.")
    known = gateway.list_providers(resources.settings)
    if provider is not None and provider not in known:
        raise Invalid(f"provider: one of {', '.join(sorted(known))}.")
    async with resources.db.hot(tenant_id) as tx:
        await _confirm(tx, confirm)
        # One whose time has come is over, though no worker may have said so yet.
        for over in await list_over(tx):
            await _end(tx, over, early=False)
        drill = await begin_drill(tx, outage, provider=provider, minutes=minutes, by=by)
        feed.tell(
            tx,
            DrillStarted(
                drill_id=drill.id, outage=outage, provider=provider, ends_at=drill.ends_at
            ),
        )
        tx.ring(DRILL, drill.id, minutes * 60 + 0.05)
    return drill


async def stop_drill(
    resources: Resources, tenant_id: UUID, drill_id: UUID, *, by: UUID | None = None
) -> DrillRecord:
    """End a drill now, or find that it has ended; raises `NoSuchDrill`."""
    async with resources.db.hot(tenant_id) as tx:
        return await _end(tx, drill_id, early=True, by=by) or await get_drill(tx, drill_id)


async def finish_drill(resources: Resources, tenant_id: UUID, drill_id: UUID) -> None:
    """Write down that a drill's time is over. Run twice, the second finds it ended."""
    async with resources.db.hot(tenant_id) as tx:
        await _end(tx, drill_id, early=False)


async def read_drill(
    resources: Resources, tenant_id: UUID, drill_id: UUID
) -> tuple[DrillRecord, DrillReport]:
    """A drill and what contacts have seen of it so far; raises `NoSuchDrill`."""
    async with resources.db.hot(tenant_id) as tx:
        drill = await get_drill(tx, drill_id)
        return drill, await report_of(tx, drill)


async def drills_of(
    resources: Resources, tenant_id: UUID, *, limit: int, before: UUID | None = None
) -> list[DrillRecord]:
    """A tenant's drills, newest first."""
    async with resources.db.hot(tenant_id) as tx:
        return await list_drills(tx, limit=limit, before=before)


async def _end(
    tx: Transaction, drill_id: UUID, *, early: bool, by: UUID | None = None
) -> DrillRecord | None:
    drill = await end_drill(tx, drill_id, early=early, by=by)
    if drill is not None:
        feed.tell(tx, DrillEnded(drill_id=drill.id, outage=drill.outage))
    return drill


async def _confirm(tx: Transaction, confirm: str) -> None:
    slug = await tx.sql.fetchval("SELECT slug FROM tenant")
    if slug is None:
        raise NotFound("There is no such tenant.")
    if confirm != slug:
        raise Invalid("Say the tenant's short name to confirm that it is the one you mean.")
