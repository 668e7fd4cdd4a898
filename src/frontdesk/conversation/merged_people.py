"""Which contacts are one person, as every message asks: rates are a person's, not a number's."""

from uuid import UUID

from frontdesk.conversation.receiving import sort_key
from frontdesk.core.cache import SnapshotCache
from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.resources import Resources
from frontdesk.messaging import ContactKey

_NAME = "all"
# Few people have several contacts. An id that one of them has taken since counts for itself until the
# copy runs out.
_LOAD = """
WITH merged AS (SELECT id, merged_into FROM contact WHERE merged_into IS NOT NULL)
SELECT a.value, m.person_id FROM contact_alias a JOIN (
    SELECT id, merged_into AS person_id FROM merged UNION SELECT merged_into, merged_into FROM merged
) m ON m.id = a.contact_id
"""


class MergedPeople:
    """The ids of each tenant's people who have several contacts."""

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._people: SnapshotCache[dict[str, str]] = SnapshotCache(
            resources, kind="merged:v1", encode=dumps_bytes, decode=loads
        )

    async def name_of(self, tenant_id: UUID, key: ContactKey) -> str:
        """One name for all ids of a person; of somebody with one contact, that of `sort_key`."""
        people = await self._people.get(tenant_id, _NAME, lambda: self._load(tenant_id))
        known = (people.get(value) for value in (key.bsuid, key.wa_id) if value)
        return next(filter(None, known), None) or sort_key(key)

    def forget_after_commit(self, tx: Transaction) -> None:
        """Read them anew: somebody is merged or taken apart."""
        self._people.forget_after_commit(tx, _NAME)

    async def _load(self, tenant_id: UUID) -> dict[str, str]:
        async with self._db.hot(tenant_id) as tx:
            rows = await tx.sql.fetch(_LOAD)
        return {row["value"]: str(row["person_id"]) for row in rows}
