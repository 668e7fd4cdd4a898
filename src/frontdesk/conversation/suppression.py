"""Who has been erased: keyed hashes of their ids, so that what comes again does not bring them back.

Meta repeats webhooks for a week, tells a connected number's history anew, and backups are restored.
What a person wrote before their erasure is passed over from then on; what they write afterwards is
a new contact's.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.cache import SnapshotCache
from frontdesk.core.db import Transaction
from frontdesk.core.resources import Resources
from frontdesk.core.tables import TenantTable, Timestamp, of_tenant
from frontdesk.messaging import ContactKey, IdentityChange, Item

# What has no time is older than any erasure.
_NEVER = datetime.fromtimestamp(0, UTC)
_KEY_CONTEXT = b"frontdesk erased identity"


class ErasedIdentity(TenantTable, table=True):
    """One id of an erased person, as a hash that only this deployment's keys can make."""

    __tablename__ = "erased_identity"
    __table_args__ = (of_tenant(), sa.Index("ix_erased_identity_at", "tenant_id", "erased_at"))

    digest: str = Field(sa_type=sa.Text, primary_key=True)
    erased_at: datetime = Field(sa_type=Timestamp)


class Suppression:
    """The erased of each tenant, as this process asks for them."""

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._keys = {
            key_id: hmac.digest(base64.b64decode(key.get_secret_value()), _KEY_CONTEXT, "sha256")
            for key_id, key in resources.settings.security.encryption_keys.items()
        }
        # When the tenant last erased anybody: what is newer need not be looked up.
        self._newest: SnapshotCache[datetime] = SnapshotCache(
            resources,
            kind="erased:v1",
            encode=lambda at: at.isoformat().encode(),
            decode=lambda data: datetime.fromisoformat(data.decode()),
        )

    def digests(self, tenant_id: UUID, identifiers: Sequence[str]) -> list[str]:
        """Each identifier as `key id.hash`, under every key of this deployment.

        Hashes are keyed, as a phone number is guessed from a plain one in minutes.
        """
        return [
            f"{key_id}.{hmac.digest(key, f'{tenant_id}:{text}'.encode(), hashlib.sha256).hex()}"
            for text in identifiers
            for key_id, key in self._keys.items()
        ]

    async def suppress(self, tx: Transaction, digests: Sequence[str], at: datetime) -> None:
        """Pass over, from this commit on, what these wrote before; told again it changes nothing."""
        await tx.sql.execute(
            "INSERT INTO erased_identity (tenant_id, digest, erased_at) "
            "SELECT $1, unnest($2::text[]), $3 ON CONFLICT (tenant_id, digest) "
            "DO UPDATE SET erased_at = greatest(erased_identity.erased_at, excluded.erased_at)",
            tx.tenant_id,
            list(digests),
            at,
        )
        self._newest.forget_after_commit(tx, "newest")

    async def is_erased(self, tenant_id: UUID, item: Item) -> bool:
        """Whether an item is from before the erasure of the person it is about."""
        identifiers = [text for key in _people(item) for text in (key.wa_id, key.bsuid) if text]
        if not identifiers:
            return False
        at = getattr(item, "provider_at", None) or _NEVER
        newest = await self._newest.get(tenant_id, "newest", lambda: self._load(tenant_id))
        if at > newest or newest == _NEVER:
            return False
        async with self._db.hot(tenant_id) as tx:
            found = await tx.sql.fetchval(
                "SELECT 1 FROM erased_identity WHERE digest = ANY($1) AND erased_at >= $2 LIMIT 1",
                self.digests(tenant_id, identifiers),
                at,
            )
        return found is not None

    async def _load(self, tenant_id: UUID) -> datetime:
        async with self._db.hot(tenant_id) as tx:
            newest: datetime | None = await tx.sql.fetchval(
                "SELECT max(erased_at) FROM erased_identity"
            )
        return newest or _NEVER


def _people(item: Item) -> list[ContactKey]:
    if isinstance(item, IdentityChange):
        return [item.old, item.new]
    return [
        person
        for name in ("sender", "recipient", "contact")
        if isinstance(person := getattr(item, name, None), ContactKey)
    ]
