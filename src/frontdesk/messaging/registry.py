"""Which tenant a business number belongs to, found by what webhooks say; and tokens, opened."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from frontdesk.core.resources import Resources
from frontdesk.messaging.models import HOLDS_NUMBER

TOKEN_FIELD = "channel.access_token"  # noqa: S105  # The name of a field, not a token.
# How old a process's knowledge of channels may be. Sending reads the row itself.
_CACHE_SECONDS = 5

# Only who proved a number is told what comes for it: a number somebody merely typed routes nothing.
# One that was disconnected still gets the rest of its news, until somebody else connects it.
_SELECT_REF = """
SELECT id, tenant_id, agent_id, phone_number_id, waba_id, display_phone_number FROM channel c
 WHERE claimed_at IS NOT NULL AND {column} = ANY($1) AND (status <> 'DISCONNECTED' OR NOT EXISTS (
       SELECT 1 FROM channel o WHERE o.{column} = c.{column} AND o.claimed_at IS NOT NULL
          AND (o.status <> 'DISCONNECTED' OR o.claimed_at > c.claimed_at)))
 ORDER BY id
"""
_BY_PHONE = _SELECT_REF.format(column="phone_number_id")
_BY_WABA = _SELECT_REF.format(column="waba_id")


@dataclass(frozen=True)
class ChannelRef:
    """What routing needs to know of a channel."""

    id: UUID
    tenant_id: UUID
    agent_id: UUID
    phone_number_id: str
    waba_id: str
    display_phone_number: str


class ChannelRegistry:
    """Finds channels by what webhooks say of them; one per process, a few seconds behind at most."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._by_phone: dict[str, tuple[float, ChannelRef]] = {}
        self._tokens: dict[tuple[UUID, str], str] = {}

    async def by_phone_number_ids(self, phone_number_ids: Iterable[str]) -> dict[str, ChannelRef]:
        """The channels with these phone number ids; unknown ones are left out."""
        now = time.monotonic()
        wanted = set(phone_number_ids)
        found = {
            key: ref
            for key in wanted
            if (entry := self._by_phone.get(key)) and now - entry[0] < _CACHE_SECONDS
            for ref in (entry[1],)
        }
        if missing := wanted - found.keys():
            async with self._resources.db.system() as connection:
                rows = await connection.fetch(_BY_PHONE, list(missing))
            for row in rows:
                ref = ChannelRef(**row)
                self._by_phone[ref.phone_number_id] = (now, ref)
                found[ref.phone_number_id] = ref
        return found

    async def by_waba(self, waba_id: str) -> list[ChannelRef]:
        """The channels of a WhatsApp Business Account, oldest first."""
        async with self._resources.db.system() as connection:
            rows = await connection.fetch(_BY_WABA, [waba_id])
        return [ChannelRef(**row) for row in rows]

    async def is_held_elsewhere(self, tenant_id: UUID, waba_id: str) -> bool:
        """Whether a number of this account is connected in another tenant at this moment."""
        async with self._resources.db.system() as connection:
            found = await connection.fetchval(
                "SELECT 1 FROM channel WHERE waba_id = $1 AND tenant_id <> $2 "  # noqa: S608  # Ours.
                f"AND {HOLDS_NUMBER} LIMIT 1",
                waba_id,
                tenant_id,
            )
        return found is not None

    async def is_held(self, phone_number_id: str) -> bool:
        """Whether this number is connected, in whichever tenant."""
        async with self._resources.db.system() as connection:
            found = await connection.fetchval(
                f"SELECT 1 FROM channel WHERE phone_number_id = $1 AND {HOLDS_NUMBER} LIMIT 1",  # noqa: S608  # Ours.
                phone_number_id,
            )
        return found is not None

    def access_token(self, tenant_id: UUID, sealed: str) -> str:
        """The token in a channel's sealed field; raises `SealBroken` when it does not open."""
        key = (tenant_id, sealed)
        if key not in self._tokens:
            if len(self._tokens) > 10_000:
                self._tokens.clear()
            self._tokens[key] = self._resources.sealer.open(
                sealed, tenant_id=tenant_id, field=TOKEN_FIELD
            )
        return self._tokens[key]
