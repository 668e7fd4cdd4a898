"""Due work of the feed: events that are older than anybody may still ask for."""

from collections.abc import Sequence
from uuid import UUID

from frontdesk.core.db import Connection
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.core.work import Due

RETENTION = "feed.retention"
_BATCH = 5_000

# By number up to the newest old one: what stays has no holes, so a reader can tell a gap.
_DELETE = """
DELETE FROM feed_event WHERE seq IN (
    SELECT seq FROM feed_event
    WHERE seq <= (SELECT max(seq) FROM feed_event WHERE at < now() - make_interval(
        days => least($1::int, (SELECT feed_days FROM tenant_retention))))
    ORDER BY seq LIMIT $2
)
"""


def feed_work(settings: Settings) -> tuple[Due, ...]:
    """The feed's kinds of due work.

    A tenant is due once its oldest event is an hour overdue; so each has its turn once an hour,
    however often and in however many workers the sweep looks.
    """
    days = settings.retention.feed_days

    async def list_ids(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """Tenants whose oldest event is overdue, each as its own row."""
        rows = await connection.fetch(
            "SELECT DISTINCT tenant_id FROM feed_event "
            "WHERE at < now() - make_interval(days => $1::int, hours => 1) UNION "
            # A tenant may keep its events for fewer days than the deployment.
            "SELECT r.tenant_id FROM tenant_retention r WHERE EXISTS (SELECT 1 FROM feed_event e "
            "WHERE e.tenant_id = r.tenant_id AND e.at < now() - make_interval("
            "days => least($1::int, r.feed_days), hours => 1)) LIMIT $2",
            days,
            limit,
        )
        return [(row["tenant_id"], row["tenant_id"]) for row in rows]

    return (
        Due(
            kind=RETENTION,
            list_ids=list_ids,
            handle=forget_old_events,
            at_once=10,
            sweep_seconds=60,
        ),
    )


async def forget_old_events(resources: Resources, tenant_id: UUID, _: UUID) -> None:
    """Delete a tenant's events older than `RETENTION__FEED_DAYS`, or than the tenant's own
    fewer days, a batch a transaction.

    Run twice, the second run finds nothing left.
    """
    days = resources.settings.retention.feed_days
    while True:
        async with resources.db.hot(tenant_id) as tx:
            done = await tx.sql.execute(_DELETE, days, _BATCH)
        if done.rpartition(" ")[2] != str(_BATCH):
            return
