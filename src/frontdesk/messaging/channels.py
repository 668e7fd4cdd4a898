"""Channels as people handle them: list, pause, resume, disconnect, give a new token.

How a number becomes connected is in `connecting.py`; what is looked at while it is, in `checkups.py`.
"""

from datetime import datetime
from uuid import UUID

import structlog
from pydantic import SecretStr
from sqlmodel import select

from frontdesk import feed
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.events import publish
from frontdesk.core.resources import Resources
from frontdesk.messaging.errors import ChannelNotConnected
from frontdesk.messaging.events import ChannelPaused
from frontdesk.messaging.happenings import ChannelStatusChanged
from frontdesk.messaging.models import Channel, ChannelStatus, PausedBy
from frontdesk.messaging.registry import TOKEN_FIELD
from frontdesk.messaging.schemas import ChannelPublic
from frontdesk.observability import audit

log = structlog.get_logger(__name__)

# One kind of due work for a channel's whole life: its status says what is due.
CHANNEL = "messaging.channel"


async def list_channels(session: Session) -> list[ChannelPublic]:
    """All channels of the tenant, oldest first."""
    rows = await session.exec(select(Channel).order_by(Channel.id))  # type: ignore[arg-type]  # SQLModel types columns as values.
    return [ChannelPublic.model_validate(row) for row in rows]


async def get_channel(session: Session, channel_id: UUID) -> ChannelPublic:
    """One channel; raises `NotFound`."""
    row = (await session.exec(select(Channel).where(Channel.id == channel_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no channel {channel_id}.")
    return ChannelPublic.model_validate(row)


async def replace_access_token(
    session: Session, resources: Resources, channel_id: UUID, token: SecretStr, *, user_id: UUID
) -> ChannelPublic:
    """Seal a new access token for a channel; what follows uses it, and it is looked at soon.

    Raises:
        NotFound: there is no such channel.
        ChannelNotConnected: it has to be connected anew.
    """
    sealed = resources.sealer.seal(
        token.get_secret_value(), tenant_id=session.tenant_id, field=TOKEN_FIELD
    )
    await _lock(session, channel_id, ChannelStatus.CONNECTED, ChannelStatus.PAUSED)
    await session.sql.execute(
        "UPDATE channel SET access_token_sealed = $2, token_expires_at = NULL, "
        # A look at the old one that is under way notes nothing any more.
        "token_checked_at = NULL, check_error = NULL, due_at = now(), attempts = attempts + 1 "
        "WHERE id = $1",
        channel_id,
        sealed,
    )
    session.ring(CHANNEL, channel_id)
    await audit(session, "channel.token_replaced", "channel", channel_id, user_id=user_id)
    return await get_channel(session, channel_id)


async def pause_by_admin(
    session: Session, channel_id: UUID, reason: str, *, user_id: UUID | None
) -> ChannelPublic:
    """Stop sending until an admin resumes, whatever WhatsApp says meanwhile.

    Raises:
        NotFound: there is no such channel.
        ChannelNotConnected: it does not send anyway.
    """
    before = await _lock(session, channel_id, ChannelStatus.CONNECTED, ChannelStatus.PAUSED)
    await _move(session, channel_id, ChannelStatus.PAUSED, reason, PausedBy.ADMIN)
    await _audit_move(session, "channel.paused", channel_id, before, "PAUSED", reason, user_id)
    return await get_channel(session, channel_id)


async def resume_by_admin(
    session: Session, channel_id: UUID, reason: str | None, *, user_id: UUID | None
) -> ChannelPublic:
    """Let a channel send again; what waited goes out at the channel's pace.

    Raises:
        NotFound: there is no such channel.
        ChannelNotConnected: it has to be connected first.
    """
    before = await _lock(session, channel_id, ChannelStatus.CONNECTED, ChannelStatus.PAUSED)
    await _resume(session, channel_id)
    await _audit_move(session, "channel.resumed", channel_id, before, "CONNECTED", reason, user_id)
    return await get_channel(session, channel_id)


async def disconnect_by_admin(
    session: Session, channel_id: UUID, reason: str, *, user_id: UUID | None
) -> ChannelPublic:
    """Let go of a number: nothing is sent any more, and a worker tells Meta and destroys the token.

    Conversations and messages stay. Raises `NotFound`; one that is disconnected stays as it is.
    """
    before = await _lock(session, channel_id, *ChannelStatus)
    if before is ChannelStatus.DISCONNECTED:
        return await get_channel(session, channel_id)
    await _move(session, channel_id, ChannelStatus.DISCONNECTED, reason)
    await session.sql.execute("UPDATE channel SET due_at = now() WHERE id = $1", channel_id)
    session.ring(CHANNEL, channel_id)
    await _audit_move(
        session, "channel.disconnected", channel_id, before, "DISCONNECTED", reason, user_id
    )
    return await get_channel(session, channel_id)


async def pause_channel(tx: Transaction, channel_id: UUID, reason: str) -> None:
    """WhatsApp lets nothing pass: stop sending and say why; what waits to be sent stays and waits."""
    # No key changes: who is storing a message of the channel, and refers to it, is not waited for.
    status = await tx.sql.fetchval(
        "SELECT status FROM channel WHERE id = $1 FOR NO KEY UPDATE", channel_id
    )
    if status == ChannelStatus.CONNECTED:
        log.warning("channel_paused", channel_id=str(channel_id), reason=reason)
        await _move(tx, channel_id, ChannelStatus.PAUSED, reason, PausedBy.WHATSAPP)
        await publish(
            tx, ChannelPaused(tenant_id=tx.tenant_id, channel_id=channel_id, reason=reason)
        )


async def resume_channel(tx: Transaction, channel_id: UUID) -> None:
    """WhatsApp lets messages pass again; what an admin has paused stays so."""
    paused = await tx.sql.fetchval(
        "SELECT 1 FROM channel WHERE id = $1 AND status = 'PAUSED' AND paused_by = 'whatsapp' "
        "FOR NO KEY UPDATE",
        channel_id,
    )
    if paused:
        await _resume(tx, channel_id)


async def disconnect_channel(tx: Transaction, channel_id: UUID, reason: str) -> None:
    """The account is gone at Meta's side: the token is void, and nothing is left to tell Meta."""
    gone = await tx.sql.fetchval(
        "UPDATE channel SET access_token_sealed = '', code_sealed = NULL, "
        "due_at = NULL WHERE id = $1 AND status <> 'DISCONNECTED' RETURNING id",
        channel_id,
    )
    if gone:
        log.warning("channel_disconnected", channel_id=str(channel_id), reason=reason)
        await _move(tx, channel_id, ChannelStatus.DISCONNECTED, reason)


NOTE_ALIVE = """
UPDATE channel SET alive_at = least($2, now())
WHERE id = $1 AND (alive_at IS NULL OR alive_at < least($2, now()))
"""


async def note_alive(tx: Transaction, channel_id: UUID, provider_at: datetime) -> None:
    """Keep the provider time of the newest webhook of a channel, but none from the future.

    It is the evidence that statuses reach us, on which an unknown send may be repeated.
    """
    await tx.sql.execute(NOTE_ALIVE, channel_id, provider_at)


def tell_status(
    tx: Transaction, channel_id: UUID, status: ChannelStatus, reason: str | None
) -> None:
    """Tell the tenant's people that a channel's state is another one now."""
    feed.tell(tx, ChannelStatusChanged(channel_id=channel_id, status=status, reason=reason))


async def _lock(session: Session, channel_id: UUID, *allowed: ChannelStatus) -> ChannelStatus:
    """The channel's status, held still until the transaction ends."""
    status = await session.sql.fetchval(
        "SELECT status FROM channel WHERE id = $1 FOR UPDATE", channel_id
    )
    if status is None:
        raise NotFound("There is no such channel.")
    if status not in allowed:
        raise ChannelNotConnected(f"The channel is {status}.")
    return ChannelStatus(status)


async def _move(
    tx: Transaction,
    channel_id: UUID,
    status: ChannelStatus,
    reason: str | None,
    paused_by: PausedBy | None = None,
) -> None:
    await tx.sql.execute(
        "UPDATE channel SET status_since = CASE WHEN status = $2 THEN status_since ELSE now() END, "
        "status = $2, status_reason = $3, paused_by = $4, stage = NULL, failure_code = NULL "
        "WHERE id = $1",
        channel_id,
        status,
        reason,
        paused_by,
    )
    tell_status(tx, channel_id, status, reason)


async def _resume(tx: Transaction, channel_id: UUID) -> None:
    await _move(tx, channel_id, ChannelStatus.CONNECTED, None)
    await tx.sql.execute(
        "UPDATE outbound SET due_at = now() WHERE channel_id = $1 AND state = 'pending'", channel_id
    )


async def _audit_move(
    session: Session,
    action: str,
    channel_id: UUID,
    before: ChannelStatus,
    after: str,
    reason: str | None,
    user_id: UUID | None,
) -> None:
    details = {"status": [before, after], "reason": reason}
    await audit(session, action, "channel", channel_id, user_id=user_id, details=details)
