"""HTTP of getting in: invites, forgotten passwords, and the second step of signing in."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from frontdesk.core.api import (
    PUBLIC,
    AdminOnly,
    Cursor,
    Limit,
    Now,
    ResourcesDep,
    Router,
    SignedIn,
    SuperAdminOnly,
    TenantSession,
    problems,
)
from frontdesk.core.callers import request_id_of, resources_of
from frontdesk.core.errors import Forbidden, NotFound, RateLimited
from frontdesk.core.limits import Bucket
from frontdesk.core.pages import Page
from frontdesk.identity import accounts, invites, mfa, resets, throttle
from frontdesk.identity.accounts import Visit
from frontdesk.identity.authentication import address_of, set_cookies
from frontdesk.identity.errors import (
    AlreadyMember,
    EmailTaken,
    PlanLimitReached,
    TooManySignIns,
    WeakPassword,
    WrongCredentials,
)
from frontdesk.identity.onboarding_errors import (
    AlreadyEnrolled,
    AlreadyInvited,
    ChallengeExpired,
    FactorKept,
    InviteClosed,
    LinkNotFound,
    NotEnrolled,
    WrongCode,
)
from frontdesk.identity.onboarding_schemas import (
    ChallengeAnswer,
    ChallengeOnly,
    CodeOnly,
    Enrolment,
    FactorLost,
    FactorProof,
    FactorPublic,
    InviteAccept,
    InviteAccepted,
    InviteCreate,
    InviteOffer,
    InvitePublic,
    LinkOpen,
    PasswordProof,
    RecoveryCodes,
    ResetRequest,
    ResetUse,
    SignInPolicy,
)
from frontdesk.identity.outbox import NoMail
from frontdesk.identity.schemas import MePublic

# For whoever is not signed in, from one address: far above what people do, far below a flood.
_PER_SECOND, _AT_ONCE = 2, 60


async def _slow_down(request: Request) -> None:
    network = throttle.keys_of("", address_of(request))[1][0]
    bucket = Bucket(f"nobody:onboarding:{network}", per_second=_PER_SECOND, burst=_AT_ONCE)
    if wait := await resources_of(request).limiter.wait_seconds(bucket):
        raise RateLimited(retry_after_seconds=wait)


invitations = Router(prefix="/api/v1", tags=["users"])
auth = Router(prefix="/api/v1", tags=["auth"])
ANYONE = [PUBLIC, Depends(_slow_down)]
Address = Annotated[str, Depends(address_of)]


@invitations.post(
    "/invites",
    status_code=201,
    summary="Invite somebody",
    responses=problems(Forbidden, NoMail, AlreadyMember, AlreadyInvited, PlanLimitReached),
)
async def create_invite(
    body: InviteCreate, who: AdminOnly, session: TenantSession, resources: ResourcesDep, now: Now
) -> InvitePublic:
    """Send a link that is good once, for 72 hours. You are not told whether they have an account."""
    return await invites.create_invite(resources, session, body, by=who, now=now)


@invitations.get("/invites", summary="List the invites", responses=problems(Forbidden))
async def list_invites(
    who: AdminOnly, session: TenantSession, now: Now, limit: Limit = 50, cursor: Cursor = None
) -> Page[InvitePublic]:
    """Open, accepted, revoked and expired ones, the newest first, and what became of the e-mail."""
    return await invites.list_invites(session, now=now, limit=limit, cursor=cursor)


@invitations.post(
    "/invites/{invite_id}/resend",
    summary="Send an invite again",
    responses=problems(Forbidden, NotFound, NoMail, InviteClosed),
)
async def resend_invite(
    invite_id: UUID, who: AdminOnly, session: TenantSession, resources: ResourcesDep, now: Now
) -> InvitePublic:
    """Send a new link, good for another 72 hours; the older one works no more."""
    return await invites.resend_invite(resources, session, invite_id, by=who, now=now)


@invitations.delete(
    "/invites/{invite_id}",
    status_code=204,
    summary="Revoke an invite",
    responses=problems(Forbidden, NotFound, InviteClosed),
)
async def revoke_invite(invite_id: UUID, who: AdminOnly, session: TenantSession, now: Now) -> None:
    """Let the link work no more. An accepted invite has made a member: disable them instead."""
    await invites.revoke_invite(session, invite_id, by=who, now=now)


@invitations.post(
    "/invites/open",
    summary="Look at an invite",
    dependencies=ANYONE,
    responses=problems(LinkNotFound),
)
async def open_invite(body: LinkOpen, resources: ResourcesDep) -> InviteOffer:
    """What the invite of a link offers, for the page that asks whether to accept. Changes nothing."""
    return await invites.read_offer(resources, body.token.get_secret_value())


@invitations.post(
    "/invites/accept",
    summary="Accept an invite",
    dependencies=ANYONE,
    responses=problems(
        LinkNotFound,
        WrongCredentials,
        WeakPassword,
        AlreadyMember,
        PlanLimitReached,
        EmailTaken,
        TooManySignIns,
    ),
)
async def accept_invite(
    body: InviteAccept, request: Request, address: Address, resources: ResourcesDep
) -> InviteAccepted:
    """Become a member: with a name and a new password, or with the password of your account."""
    return await invites.accept_invite(
        resources, body, address=address, request_id=request_id_of(request)
    )


@auth.post(
    "/auth/forgot-password",
    status_code=202,
    response_class=Response,
    summary="Ask for a reset link",
    dependencies=ANYONE,
    responses=problems(NoMail, TooManySignIns),
)
async def forgot_password(body: ResetRequest, address: Address, resources: ResourcesDep) -> None:
    """Send a link to this email if it has an account; the answer is the same if it has none."""
    await resets.request_reset(resources, body, address=address)


@auth.post(
    "/auth/reset-password",
    status_code=204,
    summary="Choose a new password by link",
    dependencies=ANYONE,
    responses=problems(LinkNotFound, WeakPassword),
)
async def reset_password(
    body: ResetUse, request: Request, address: Address, resources: ResourcesDep
) -> None:
    """Set the password and end all sessions of the account. The link works once, for 30 minutes."""
    await resets.use_reset(resources, body, address=address, request_id=request_id_of(request))


@auth.post(
    "/auth/mfa",
    summary="Sign in: the second step",
    dependencies=ANYONE,
    responses=problems(ChallengeExpired, WrongCode, TooManySignIns),
)
async def answer_challenge(
    body: ChallengeAnswer, request: Request, address: Address, resources: ResourcesDep, now: Now
) -> MePublic:
    """End the sign-in that answered `mfa_required` with a code, or a recovery code."""
    proven = await mfa.answer_challenge(
        resources,
        body.challenge.get_secret_value(),
        body.code.get_secret_value(),
        address=address,
    )
    signed_in = await accounts.open_proven(
        resources, proven.user_id, proven.tenant_id, _visit(request, now)
    )
    set_cookies(request, signed_in.tokens)
    return signed_in.me


@auth.post(
    "/auth/mfa/enrolment",
    summary="Sign in: set up the authenticator app",
    dependencies=ANYONE,
    responses=problems(ChallengeExpired, AlreadyEnrolled),
)
async def enrol_by_challenge(body: ChallengeOnly, resources: ResourcesDep) -> Enrolment:
    """What the app needs, for a sign-in that answered `mfa_enrolment_required`."""
    return await mfa.enrol_by_challenge(resources, body.challenge.get_secret_value())


@auth.post(
    "/auth/mfa/enrolment/confirm",
    summary="Sign in: confirm the authenticator app",
    dependencies=ANYONE,
    responses=problems(ChallengeExpired, NotEnrolled, WrongCode, TooManySignIns),
)
async def confirm_by_challenge(
    body: ChallengeAnswer, request: Request, address: Address, resources: ResourcesDep, now: Now
) -> RecoveryCodes:
    """Show a code of the app: it counts from now on, and the sign-in ends with a session."""
    proven, codes = await mfa.confirm_by_challenge(
        resources,
        body.challenge.get_secret_value(),
        body.code.get_secret_value(),
        address=address,
        request_id=request_id_of(request),
    )
    signed_in = await accounts.open_proven(
        resources, proven.user_id, proven.tenant_id, _visit(request, now)
    )
    set_cookies(request, signed_in.tokens)
    return RecoveryCodes(recovery_codes=codes)


@auth.get("/me/mfa", summary="My authenticator app", responses=problems())
async def get_factor(who: SignedIn, resources: ResourcesDep) -> FactorPublic:
    """Whether there is one, whether a tenant of yours asks for it, and how many codes are left."""
    return await mfa.get_factor(resources, who)


@auth.post(
    "/me/mfa",
    summary="Set up an authenticator app",
    responses=problems(WrongCredentials, AlreadyEnrolled, TooManySignIns),
)
async def start_enrolment(
    body: PasswordProof, who: SignedIn, address: Address, resources: ResourcesDep
) -> Enrolment:
    """What the app needs. It counts once `/me/mfa/confirm` was shown a code of it."""
    return await mfa.start_enrolment(
        resources, who, body.password.get_secret_value(), address=address
    )


@auth.post(
    "/me/mfa/confirm",
    summary="Confirm the authenticator app",
    responses=problems(NotEnrolled, WrongCode, TooManySignIns),
)
async def confirm_enrolment(
    body: CodeOnly, who: SignedIn, address: Address, resources: ResourcesDep
) -> RecoveryCodes:
    """Show a code of the app: it counts from now on. The recovery codes are told this once."""
    codes = await mfa.confirm_enrolment(
        resources, who, body.code.get_secret_value(), address=address
    )
    return RecoveryCodes(recovery_codes=codes)


@auth.post(
    "/me/mfa/recovery-codes",
    summary="Renew the recovery codes",
    responses=problems(WrongCredentials, NotEnrolled, WrongCode, TooManySignIns),
)
async def renew_recovery_codes(
    body: FactorProof, who: SignedIn, address: Address, resources: ResourcesDep
) -> RecoveryCodes:
    """Ten new ones; the old ones work no more."""
    codes = await mfa.renew_recovery_codes(
        resources,
        who,
        body.password.get_secret_value(),
        body.code.get_secret_value(),
        address=address,
    )
    return RecoveryCodes(recovery_codes=codes)


@auth.post(
    "/me/mfa/remove",
    status_code=204,
    summary="Remove the authenticator app",
    responses=problems(WrongCredentials, NotEnrolled, WrongCode, FactorKept, TooManySignIns),
)
async def remove_factor(
    body: FactorProof, who: SignedIn, address: Address, resources: ResourcesDep
) -> None:
    """Sign in with the password alone again; your other sessions end."""
    await mfa.remove_factor(
        resources,
        who,
        body.password.get_secret_value(),
        body.code.get_secret_value(),
        address=address,
    )


@auth.post(
    "/auth/mfa/lost",
    status_code=204,
    summary="Take a lost authenticator app away",
    responses=problems(Forbidden, NotFound),
)
async def take_factor_away(body: FactorLost, who: SuperAdminOnly, resources: ResourcesDep) -> None:
    """For super admins, once they know who asks: the account needs its password alone again."""
    await mfa.take_factor_away(resources, who, body.email)


@invitations.get("/sign-in-policy", summary="How members sign in", responses=problems(Forbidden))
async def get_policy(who: AdminOnly, resources: ResourcesDep) -> SignInPolicy:
    """Whether the tenant asks for an authenticator app."""
    return await mfa.get_policy(resources, who.tenant_id)


@invitations.put(
    "/sign-in-policy", summary="Say how members sign in", responses=problems(Forbidden)
)
async def put_policy(body: SignInPolicy, who: AdminOnly, resources: ResourcesDep) -> SignInPolicy:
    """Ask for an authenticator app: who has none is signed out and may sign in only to set it up."""
    return await mfa.set_policy(resources, who, body)


def _visit(request: Request, now: Now) -> Visit:
    return Visit(
        address=address_of(request),
        user_agent=request.headers.get("user-agent", ""),
        request_id=request_id_of(request),
        now=now,
    )


router = Router(routes=[*invitations.routes, *auth.routes])
