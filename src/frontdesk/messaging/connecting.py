"""Asking for a number to be connected: the row is made, and `stages.py` does it in a worker."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from frontdesk.core import ids
from frontdesk.core.db import Session
from frontdesk.core.errors import NotFound
from frontdesk.core.resources import Resources
from frontdesk.identity import PlanLimit, require_room
from frontdesk.messaging.channels import CHANNEL, get_channel, tell_status
from frontdesk.messaging.connecting_rules import TAKEN
from frontdesk.messaging.errors import (
    ChannelConnected,
    ChannelTaken,
    CredentialsNeeded,
    SignupNotConfigured,
    StillDisconnecting,
)
from frontdesk.messaging.jobs import CODE_FIELD, PIN_FIELD, change
from frontdesk.messaging.models import ChannelStatus, ConnectStage
from frontdesk.messaging.registry import TOKEN_FIELD, ChannelRegistry
from frontdesk.messaging.schemas import ChannelCreate, ChannelPublic, Reconnect, SignupCreate
from frontdesk.observability import audit

_COUNT = "SELECT count(*) FROM channel WHERE status NOT IN ('DISCONNECTED', 'FAILED')"


async def connect_channel(
    session: Session, resources: Resources, body: ChannelCreate, *, user_id: UUID | None = None
) -> ChannelPublic:
    """Begin to connect a number with pasted credentials; a worker does it in seconds.

    Raises:
        ChannelTaken: the number is connected already, here or in another tenant.
        NotFound: the tenant has no such agent.
        PlanLimitReached: the tenant has as many channels as its plan allows.
    """
    registry = resources.keep(ChannelRegistry)
    if await registry.is_held(body.phone_number_id):
        # The caller learns that the number is taken, which its owner knows anyway; not by whom.
        raise ChannelTaken(TAKEN.words)
    return await _begin(
        session,
        body.name,
        body.agent_id,
        user_id,
        stage=ConnectStage.IDENTIFY,
        phone_number_id=body.phone_number_id,
        waba_id=body.waba_id,
        display_phone_number="".join(filter(str.isdigit, body.display_phone_number)),
        access_token_sealed=_seal(resources, session.tenant_id, TOKEN_FIELD, body.access_token),
        pin_sealed=_seal(resources, session.tenant_id, PIN_FIELD, body.pin),
    )


async def connect_by_signup(
    session: Session, resources: Resources, body: SignupCreate, *, user_id: UUID | None = None
) -> ChannelPublic:
    """Begin to connect the number of an Embedded Signup; a worker does it in seconds.

    Raises:
        SignupNotConfigured: this deployment names no Meta app.
        NotFound: the tenant has no such agent.
        PlanLimitReached: the tenant has as many channels as its plan allows.
    """
    require_signup(resources)
    return await _begin(
        session,
        body.name,
        body.agent_id,
        user_id,
        stage=ConnectStage.EXCHANGE,
        phone_number_id=body.phone_number_id or "",
        waba_id="",
        display_phone_number="",
        access_token_sealed="",
        code_sealed=_seal(resources, session.tenant_id, CODE_FIELD, body.code),
        pin_sealed=_seal(resources, session.tenant_id, PIN_FIELD, body.pin),
    )


async def reconnect_channel(
    session: Session,
    resources: Resources,
    channel_id: UUID,
    body: Reconnect,
    *,
    now: datetime,
    user_id: UUID | None = None,
) -> ChannelPublic:
    """Begin again to connect a channel that failed or was disconnected; its history goes on.

    Without new credentials it goes on where it failed, as with another PIN.

    Raises:
        NotFound: there is no such channel.
        ChannelConnected: it is connected, or being connected.
        StillDisconnecting: Meta has not been told yet that it was disconnected.
        CredentialsNeeded: there is neither a token nor a code to do it with.
        SignupNotConfigured: a code was given, and this deployment names no Meta app.
        PlanLimitReached: the tenant has as many channels as its plan allows.
    """
    if body.code:
        require_signup(resources)
    await require_room(session, PlanLimit.CHANNELS, _COUNT)
    row = await session.sql.fetchrow(
        "SELECT status, due_at, access_token_sealed FROM channel WHERE id = $1 FOR UPDATE",
        channel_id,
    )
    if row is None:
        raise NotFound("There is no such channel.")
    if row["status"] not in (ChannelStatus.FAILED, ChannelStatus.DISCONNECTED):
        raise ChannelConnected(f"The channel is {row['status']}.")
    if row["due_at"] is not None:
        raise StillDisconnecting
    has_new = body.access_token is not None or body.code is not None
    if not has_new and not row["access_token_sealed"]:
        raise CredentialsNeeded("Give an access_token or a code: the old ones are gone.")
    changes: dict[str, Any] = {
        "status": ChannelStatus.CONNECTING,
        "status_reason": None,
        "status_since": now,
        "failure_code": None,
        "paused_by": None,
        "due_at": now,
    }
    if body.pin:
        changes["pin_sealed"] = _seal(resources, session.tenant_id, PIN_FIELD, body.pin)
    if has_new:
        changes |= {
            "stage": ConnectStage.EXCHANGE if body.code else ConnectStage.IDENTIFY,
            "claimed_at": None,
            "access_token_sealed": _seal(
                resources, session.tenant_id, TOKEN_FIELD, body.access_token
            )
            or "",
            "code_sealed": _seal(resources, session.tenant_id, CODE_FIELD, body.code),
        }
    await change(session, channel_id, changes)
    return await _begun(session, channel_id, user_id)


def require_signup(resources: Resources) -> str:
    """The id of the Meta app that Embedded Signup belongs to; raises `SignupNotConfigured`."""
    app_id = resources.settings.whatsapp.app_id
    if app_id is None:
        raise SignupNotConfigured("Set WHATSAPP__APP_ID, or connect with pasted credentials.")
    return app_id


async def _begin(
    session: Session, name: str, agent_id: UUID, user_id: UUID | None, **columns: Any
) -> ChannelPublic:
    await require_room(session, PlanLimit.CHANNELS, _COUNT)
    if await session.sql.fetchval("SELECT 1 FROM agent WHERE id = $1", agent_id) is None:
        raise NotFound(f"There is no agent {agent_id}.")
    channel_id = ids.new()
    given = {"id": channel_id, "name": name, "agent_id": agent_id, "status": "CONNECTING"} | columns
    places = ", ".join(f"${number}" for number in range(1, len(given) + 1))
    await session.sql.execute(
        f"INSERT INTO channel ({', '.join(given)}, due_at) VALUES ({places}, now())",  # noqa: S608  # Names of columns.
        *given.values(),
    )
    return await _begun(session, channel_id, user_id)


async def _begun(session: Session, channel_id: UUID, user_id: UUID | None) -> ChannelPublic:
    session.ring(CHANNEL, channel_id)
    tell_status(session, channel_id, ChannelStatus.CONNECTING, None)
    await audit(session, "channel.connecting", "channel", channel_id, user_id=user_id)
    return await get_channel(session, channel_id)


def _seal(
    resources: Resources, tenant_id: UUID, field: str, secret: SecretStr | None
) -> str | None:
    if secret is None:
        return None
    return resources.sealer.seal(secret.get_secret_value(), tenant_id=tenant_id, field=field)
