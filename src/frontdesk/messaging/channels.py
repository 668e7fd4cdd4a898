"""Channels: which tenant a business number belongs to, its token, and whether it sends."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog
from pydantic import SecretStr
from sqlmodel import select

from frontdesk import feed, observability
from frontdesk.core import ids
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.events import publish
from frontdesk.core.resources import Resources
from frontdesk.identity import PlanLimit, require_room
from frontdesk.messaging.errors import ChannelTaken
from frontdesk.messaging.events import ChannelPaused
from frontdesk.messaging.models import Channel, ChannelStatus
from frontdesk.messaging.schemas import ChannelCreate, ChannelPublic

log = structlog.get_logger(__name__)

TOKEN_FIELD = "channel.access_token"  # noqa: S105  # The name of a field, not a token.
# How old a process's knowledge of channels may be. Sending reads the row itself.
_CACHE_SECONDS = 5


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
                rows = await connection.fetch(
                    f"{_SELECT_REF} WHERE phone_number_id = ANY($1)", list(missing)
                )
            for row in rows:
                ref = ChannelRef(**row)
                self._by_phone[ref.phone_number_id] = (now, ref)
                found[ref.phone_number_id] = ref
        return found

    async def by_waba(self, waba_id: str) -> list[ChannelRef]:
        """The channels of a WhatsApp Business Account, oldest first."""
        async with self._resources.db.system() as connection:
            rows = await connection.fetch(f"{_SELECT_REF} WHERE waba_id = $1 ORDER BY id", waba_id)
        return [ChannelRef(**row) for row in rows]

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


_SELECT_REF = (
    "SELECT id, tenant_id, agent_id, phone_number_id, waba_id, display_phone_number FROM channel"
)


_COUNT = "SELECT count(*) FROM channel WHERE status <> 'DISCONNECTED'"


async def connect_channel(
    session: Session, resources: Resources, body: ChannelCreate, *, user_id: UUID | None = None
) -> ChannelPublic:
    """Connect a business number to one of the tenant's agents.

    Raises:
        ChannelTaken: the number is connected already, here or in another tenant.
        NotFound: the tenant has no such agent.
        PlanLimitReached: the tenant has as many channels as its plan allows.
    """
    await require_room(session, PlanLimit.CHANNELS, _COUNT)
    row = Channel(
        id=ids.new(),
        name=body.name,
        agent_id=body.agent_id,
        phone_number_id=body.phone_number_id,
        waba_id=body.waba_id,
        display_phone_number="".join(filter(str.isdigit, body.display_phone_number)),
        access_token_sealed=resources.sealer.seal(
            body.access_token.get_secret_value(), tenant_id=session.tenant_id, field=TOKEN_FIELD
        ),
    )
    if await session.sql.fetchval("SELECT 1 FROM agent WHERE id = $1", body.agent_id) is None:
        raise NotFound("There is no such agent.")
    for ref in await resources.keep(ChannelRegistry).by_waba(body.waba_id):
        # What Meta says of an account reaches all its numbers, so an account has one tenant.
        if ref.tenant_id != session.tenant_id:
            raise ChannelTaken("This WhatsApp Business Account is already connected.")
    try:
        await session.sql.execute(
            "INSERT INTO channel (id, name, agent_id, phone_number_id, waba_id, "
            "display_phone_number, access_token_sealed, status) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, 'CONNECTED')",
            row.id,
            row.name,
            row.agent_id,
            row.phone_number_id,
            row.waba_id,
            row.display_phone_number,
            row.access_token_sealed,
        )
    except asyncpg.UniqueViolationError:
        # The caller learns that the number is taken, which its owner knows anyway; not by whom.
        raise ChannelTaken("This number is already connected.") from None
    await observability.audit(session, "channel.connected", "channel", str(row.id), user_id=user_id)
    return await get_channel(session, row.id)


async def list_channels(session: Session) -> list[ChannelPublic]:
    """All channels of the tenant, oldest first."""
    rows = await session.exec(select(Channel).order_by(Channel.id))  # type: ignore[arg-type]  # SQLModel types columns as values.
    return [ChannelPublic.model_validate(row) for row in rows]


async def get_channel(session: Session, channel_id: UUID) -> ChannelPublic:
    """One channel; raises `NotFound`."""
    row = (await session.exec(select(Channel).where(Channel.id == channel_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such channel.")
    return ChannelPublic.model_validate(row)


async def replace_access_token(
    session: Session, resources: Resources, channel_id: UUID, token: SecretStr, *, user_id: UUID
) -> ChannelPublic:
    """Seal a new access token for a channel; what follows uses it. Raises `NotFound`."""
    sealed = resources.sealer.seal(
        token.get_secret_value(), tenant_id=session.tenant_id, field=TOKEN_FIELD
    )
    found = await session.sql.fetchval(
        "UPDATE channel SET access_token_sealed = $2 WHERE id = $1 RETURNING id",
        channel_id,
        sealed,
    )
    if found is None:
        raise NotFound("There is no such channel.")
    await observability.audit(
        session, "channel.token_replaced", "channel", str(channel_id), user_id=user_id
    )
    return await get_channel(session, channel_id)


async def pause_channel(tx: Transaction, channel_id: UUID, reason: str) -> None:
    """Stop sending from a channel and say why; rows waiting to be sent stay and wait."""
    changed = await tx.sql.fetchval(
        "UPDATE channel SET status = 'PAUSED', status_reason = $2 "
        "WHERE id = $1 AND status = 'CONNECTED' RETURNING id",
        channel_id,
        reason,
    )
    if changed:
        log.warning("channel_paused", channel_id=str(channel_id), reason=reason)
        _tell(tx, channel_id, ChannelStatus.PAUSED, reason)
        await publish(
            tx, ChannelPaused(tenant_id=tx.tenant_id, channel_id=channel_id, reason=reason)
        )


async def resume_channel(tx: Transaction, channel_id: UUID) -> None:
    """Let a channel send again; what waited goes out at the channel's pace.

    Raises:
        NotFound: there is no such channel.
    """
    found = await tx.sql.fetchval(
        "UPDATE channel SET status = 'CONNECTED', status_reason = NULL WHERE id = $1 RETURNING id",
        channel_id,
    )
    if not found:
        raise NotFound("There is no such channel.")
    await tx.sql.execute(
        "UPDATE outbound SET due_at = now() WHERE channel_id = $1 AND state = 'pending'", channel_id
    )
    _tell(tx, channel_id, ChannelStatus.CONNECTED, None)


async def disconnect_channel(tx: Transaction, channel_id: UUID, reason: str) -> None:
    """The account is gone at Meta's side: nothing can be sent until it is connected again."""
    await tx.sql.execute(
        "UPDATE channel SET status = 'DISCONNECTED', status_reason = $2 WHERE id = $1",
        channel_id,
        reason,
    )
    _tell(tx, channel_id, ChannelStatus.DISCONNECTED, reason)


async def note_alive(tx: Transaction, channel_id: UUID, provider_at: datetime) -> None:
    """Keep the provider time of the newest webhook of a channel, but none from the future.

    It is the evidence that statuses reach us, on which an unknown send may be repeated.
    """
    await tx.sql.execute(
        "UPDATE channel SET alive_at = least($2, now()) "
        "WHERE id = $1 AND (alive_at IS NULL OR alive_at < least($2, now()))",
        channel_id,
        provider_at,
    )


def _tell(tx: Transaction, channel_id: UUID, status: ChannelStatus, reason: str | None) -> None:
    feed.append(
        tx, "channel.status", {"channel_id": channel_id, "status": status, "reason": reason}
    )
