"""Due work of observability: what was said in model calls goes earlier than what they cost."""

from collections.abc import Sequence
from uuid import UUID

from frontdesk.core.db import Connection
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.core.work import Due
from frontdesk.observability.privacy import NO_TEXTS

RETENTION = "observability.retention"
_BATCH = 1_000
# An hour late at the most, so that each tenant has its turn once an hour, however often one looks.
_LIST = """
SELECT DISTINCT tenant_id FROM llm_call WHERE texts_erased_at IS NULL
    AND created_at < now() - make_interval(days => $1::int, hours => 1)
UNION
SELECT r.tenant_id FROM tenant_retention r WHERE EXISTS (
    SELECT 1 FROM llm_call c WHERE c.tenant_id = r.tenant_id AND c.texts_erased_at IS NULL
        AND c.created_at < now() - make_interval(days => least($1::int, r.llm_text_days), hours => 1))
LIMIT $2
"""
# A tenant may keep texts for fewer days than the deployment, not for more. The application's role
# can't rewrite a call, so this is the system's, which names the tenant.
_ERASE = f"""
UPDATE llm_call SET {NO_TEXTS} WHERE tenant_id = $2 AND id IN (
    SELECT id FROM llm_call WHERE tenant_id = $2 AND texts_erased_at IS NULL
        AND created_at < now() - make_interval(days => least($1::int,
            (SELECT r.llm_text_days FROM tenant_retention r WHERE r.tenant_id = $2)))
    ORDER BY created_at LIMIT $3)
"""  # noqa: S608  # Ours.


def observability_work(settings: Settings) -> tuple[Due, ...]:
    """Observability's kinds of due work."""
    days = settings.retention.llm_text_days

    async def list_ids(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """Tenants with a text that is overdue, each as its own row."""
        rows = await connection.fetch(_LIST, days, limit)
        return [(row["tenant_id"], row["tenant_id"]) for row in rows]

    return (
        Due(
            kind=RETENTION,
            list_ids=list_ids,
            handle=forget_old_texts,
            at_once=4,
            sweep_seconds=60,
        ),
    )


async def forget_old_texts(resources: Resources, tenant_id: UUID, _: UUID) -> None:
    """Blank what was said in a tenant's old model calls, a batch a statement; tokens and costs stay.

    Run twice, the second run finds nothing left.
    """
    days = resources.settings.retention.llm_text_days
    async with resources.db.system() as connection:
        full = f"UPDATE {_BATCH}"
        while await connection.execute(_ERASE, days, tenant_id, _BATCH) == full:
            pass
