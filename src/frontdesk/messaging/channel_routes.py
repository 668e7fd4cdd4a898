"""HTTP of channels: connect, look at, pause, resume, disconnect."""

from uuid import UUID

from frontdesk.core.api import AdminOnly, Now, ResourcesDep, Router, Staff, TenantSession, problems
from frontdesk.core.errors import NotFound
from frontdesk.identity import PlanLimitReached
from frontdesk.messaging import channels, connecting, health
from frontdesk.messaging.errors import (
    ChannelConnected,
    ChannelNotConnected,
    ChannelTaken,
    CredentialsNeeded,
    SignupNotConfigured,
    StillDisconnecting,
)
from frontdesk.messaging.schemas import (
    AccessToken,
    Change,
    ChannelCreate,
    ChannelHealth,
    ChannelPublic,
    Reconnect,
    SignupCreate,
    SignupSettings,
)

api = Router(prefix="/api/v1/channels", tags=["channels"])

_UNSAID = "An admin gave no reason."


@api.get("", summary="List the numbers", responses=problems())
async def list_channels(who: Staff, session: TenantSession) -> list[ChannelPublic]:
    """All channels of the tenant with their state in words."""
    return await channels.list_channels(session)


@api.post(
    "",
    status_code=201,
    summary="Connect a number",
    responses=problems(ChannelTaken, NotFound, PlanLimitReached),
)
async def connect_channel(
    body: ChannelCreate, who: AdminOnly, resources: ResourcesDep, session: TenantSession
) -> ChannelPublic:
    """Connect a WhatsApp business number to an agent. The token is sealed and never shown again.

    A worker asks Meta whether the token reaches the number, subscribes to its webhooks and registers
    it where needed. Read the channel until it is `CONNECTED`, or `FAILED` with the reason in words.
    """
    return await connecting.connect_channel(session, resources, body, user_id=who.user_id)


@api.get(
    "/signup",
    summary="Read what Embedded Signup needs",
    responses=problems(SignupNotConfigured),
)
async def get_signup_settings(who: AdminOnly, resources: ResourcesDep) -> SignupSettings:
    """The app and configuration with which a page opens Meta's signup dialog."""
    whatsapp = resources.settings.whatsapp
    return SignupSettings(
        app_id=connecting.require_signup(resources),
        config_id=whatsapp.signup_config_id,
        api_version=whatsapp.api_version,
    )


@api.post(
    "/signup",
    status_code=201,
    summary="Connect a number by Embedded Signup",
    responses=problems(SignupNotConfigured, NotFound, PlanLimitReached),
)
async def connect_by_signup(
    body: SignupCreate, who: AdminOnly, resources: ResourcesDep, session: TenantSession
) -> ChannelPublic:
    """Connect the number of a finished Embedded Signup. Send its code at once: it lives 30 seconds.

    Which account and number it is, Meta says; what the browser was told is not believed. Read the
    channel until it is `CONNECTED`, or `FAILED` with the reason in words.
    """
    return await connecting.connect_by_signup(session, resources, body, user_id=who.user_id)


@api.get("/{channel_id}", summary="Read a channel", responses=problems(NotFound))
async def get_channel(channel_id: UUID, who: Staff, session: TenantSession) -> ChannelPublic:
    """One channel with its state."""
    return await channels.get_channel(session, channel_id)


@api.get("/{channel_id}/health", summary="Read how a channel is", responses=problems(NotFound))
async def get_channel_health(
    channel_id: UUID, who: Staff, session: TenantSession, now: Now
) -> ChannelHealth:
    """How the number is, in words: token, quality, limits, restrictions, why it is paused.

    Of what Meta reported, the newest of each topic; of what Meta says when asked, what it last said.
    """
    return await health.channel_health(session, channel_id, now=now)


@api.put(
    "/{channel_id}/access-token",
    summary="Replace the access token",
    responses=problems(NotFound, ChannelNotConnected),
)
async def replace_access_token(
    channel_id: UUID,
    body: AccessToken,
    who: AdminOnly,
    resources: ResourcesDep,
    session: TenantSession,
) -> ChannelPublic:
    """Seal a new token, before or after the old one ended; a worker asks Meta about it at once.

    A paused channel still has to be resumed.
    """
    return await channels.replace_access_token(
        session, resources, channel_id, body.access_token, user_id=who.user_id
    )


@api.post(
    "/{channel_id}/pause",
    summary="Stop sending",
    responses=problems(NotFound, ChannelNotConnected),
)
async def pause_channel(
    channel_id: UUID, who: AdminOnly, session: TenantSession, body: Change | None = None
) -> ChannelPublic:
    """Stop sending from this number. Messages still come in; what should go out waits."""
    reason = (body and body.reason) or _UNSAID
    return await channels.pause_by_admin(session, channel_id, reason, user_id=who.user_id)


@api.post(
    "/{channel_id}/resume",
    summary="Send again",
    responses=problems(NotFound, ChannelNotConnected),
)
async def resume_channel(
    channel_id: UUID, who: AdminOnly, session: TenantSession, body: Change | None = None
) -> ChannelPublic:
    """Let the number send again; what waited goes out at the channel's pace."""
    reason = body.reason if body else None
    return await channels.resume_by_admin(session, channel_id, reason, user_id=who.user_id)


@api.post("/{channel_id}/disconnect", summary="Let go of a number", responses=problems(NotFound))
async def disconnect_channel(
    channel_id: UUID, who: AdminOnly, session: TenantSession, body: Change | None = None
) -> ChannelPublic:
    """Stop using this number: Meta is told, the token destroyed, and conversations are kept.

    It is deregistered at Meta, and free for another provider. To use it again, reconnect it.
    """
    reason = (body and body.reason) or _UNSAID
    return await channels.disconnect_by_admin(session, channel_id, reason, user_id=who.user_id)


@api.post(
    "/{channel_id}/reconnect",
    summary="Connect a number again",
    responses=problems(
        NotFound,
        ChannelConnected,
        CredentialsNeeded,
        PlanLimitReached,
        SignupNotConfigured,
        StillDisconnecting,
    ),
)
async def reconnect_channel(
    channel_id: UUID,
    body: Reconnect,
    who: AdminOnly,
    resources: ResourcesDep,
    session: TenantSession,
    now: Now,
) -> ChannelPublic:
    """Connect a channel that failed or was disconnected, with a new token or a new signup's code.

    With neither it goes on where it failed, as with another PIN.
    """
    return await connecting.reconnect_channel(
        session, resources, channel_id, body, now=now, user_id=who.user_id
    )
