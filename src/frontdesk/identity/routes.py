"""HTTP of identity: signing in and out, who one is, and the members of a tenant."""

from datetime import datetime
from uuid import UUID

from fastapi import Request

from frontdesk.core.api import (
    PUBLIC,
    AdminOnly,
    Cursor,
    Limit,
    Now,
    ResourcesDep,
    Router,
    SignedIn,
    Staff,
    TenantSession,
    problems,
)
from frontdesk.core.callers import request_id_of
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.core.pages import Page
from frontdesk.identity import accounts, members, sessions
from frontdesk.identity.accounts import Visit
from frontdesk.identity.api_key_routes import router as api_keys
from frontdesk.identity.authentication import address_of, set_cookies
from frontdesk.identity.contact_policy import get_contact_policy, set_contact_policy
from frontdesk.identity.errors import (
    AlreadyMember,
    ChooseTenant,
    LastAdmin,
    PlanLimitReached,
    TooManySignIns,
    WeakPassword,
    WrongCredentials,
)
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.onboarding_errors import MfaEnrolmentRequired, MfaMissing, MfaRequired
from frontdesk.identity.onboarding_routes import router as onboarding
from frontdesk.identity.schemas import (
    BelongingPublic,
    ContactPolicy,
    MemberCreate,
    MemberPublic,
    MemberUpdate,
    MePublic,
    PasswordChange,
    SessionPublic,
    SignIn,
    TenantSwitch,
)
from frontdesk.identity.tenant_routes import router as tenants

auth = Router(prefix="/api/v1", tags=["auth"])
users = Router(prefix="/api/v1", tags=["users"])


@auth.post(
    "/auth/sign-in",
    summary="Sign in",
    dependencies=[PUBLIC],
    responses=problems(
        WrongCredentials, ChooseTenant, MfaRequired, MfaEnrolmentRequired, TooManySignIns
    ),
)
async def sign_in(body: SignIn, request: Request, resources: ResourcesDep, now: Now) -> MePublic:
    """Set the session's cookies for whoever knows the password; a token is never in a body.

    409 `choose_tenant` lists the user's tenants when there are several and none was named.
    """
    signed_in = await accounts.sign_in(resources, body, _visit(request, now))
    set_cookies(request, signed_in.tokens)
    return signed_in.me


@auth.post("/auth/sign-out", status_code=204, summary="Sign out", responses=problems())
async def sign_out(who: SignedIn, request: Request, resources: ResourcesDep) -> None:
    """End this session: here at once, in every process within ten seconds."""
    await sessions.sign_out(resources, who)
    set_cookies(request, None)


@auth.post(
    "/auth/switch", summary="Switch to another tenant", responses=problems(NotFound, MfaMissing)
)
async def switch_tenant(
    body: TenantSwitch, who: SignedIn, request: Request, resources: ResourcesDep, now: Now
) -> MePublic:
    """Go on in another tenant of yours, as what you are there; the session in this one ends."""
    signed_in = await accounts.switch_tenant(resources, who, body, _visit(request, now))
    set_cookies(request, signed_in.tokens)
    return signed_in.me


@auth.get("/me", summary="Who am I?", responses=problems())
async def get_me(who: SignedIn, resources: ResourcesDep) -> MePublic:
    """Who is signed in, in which tenant, as what."""
    return await accounts.get_me(resources, who)


@auth.get("/me/tenants", summary="List my tenants", responses=problems())
async def list_my_tenants(who: SignedIn, resources: ResourcesDep) -> list[BelongingPublic]:
    """The tenants you may switch to, and what you are there."""
    return await accounts.list_tenants_of(resources, who)


@auth.get("/me/sessions", summary="List my sessions", responses=problems())
async def list_my_sessions(who: SignedIn, resources: ResourcesDep) -> list[SessionPublic]:
    """Where you are signed in, in all your tenants; the one used last comes first."""
    return await sessions.list_sessions(resources, who)


@auth.delete(
    "/me/sessions/{session_id}",
    status_code=204,
    summary="End one of my sessions",
    responses=problems(NotFound),
)
async def end_my_session(session_id: UUID, who: SignedIn, resources: ResourcesDep) -> None:
    """Sign out elsewhere; it and its streams end within thirty seconds."""
    await sessions.revoke_session(resources, who, session_id)


@auth.delete(
    "/me/sessions", status_code=204, summary="End all my other sessions", responses=problems()
)
async def end_my_other_sessions(who: SignedIn, resources: ResourcesDep) -> None:
    """Sign out everywhere but here, in every tenant."""
    await sessions.revoke_others(resources, who)


@auth.post(
    "/me/password",
    status_code=204,
    summary="Change the password",
    responses=problems(WrongCredentials, WeakPassword, TooManySignIns),
)
async def change_password(
    body: PasswordChange, who: SignedIn, request: Request, resources: ResourcesDep
) -> None:
    """Set a new password; all other sessions of the user end, in every tenant."""
    await accounts.change_password(resources, who, body, address=address_of(request))


@users.get("/users", summary="List the members", responses=problems())
async def list_users(
    who: Staff, session: TenantSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[MemberPublic]:
    """The users of the tenant by name, the disabled ones among them."""
    return await members.list_members(session, limit=limit, cursor=cursor)


@users.post(
    "/users",
    status_code=201,
    summary="Add a member",
    responses=problems(Forbidden, AlreadyMember, WeakPassword, PlanLimitReached),
)
async def create_user(body: MemberCreate, who: AdminOnly, resources: ResourcesDep) -> MemberPublic:
    """Let someone sign in to this tenant. Whoever has an account already keeps their password."""
    return await accounts.add_person(resources.db, body, by=who)


@users.get("/users/{user_id}", summary="Read a member", responses=problems(NotFound))
async def get_user(user_id: UUID, who: Staff, session: TenantSession) -> MemberPublic:
    """One user of the tenant."""
    return await members.get_member(session, user_id)


@users.patch(
    "/users/{user_id}",
    summary="Change a member",
    responses=problems(Forbidden, NotFound, LastAdmin, PlanLimitReached),
)
async def update_user(
    user_id: UUID,
    body: MemberUpdate,
    who: AdminOnly,
    session: TenantSession,
    resources: ResourcesDep,
    now: Now,
) -> MemberPublic:
    """Change the role, or let in or keep out. It holds in every process within ten seconds.

    The API keys of whoever is an admin no longer are revoked: make new ones first."""
    member = await members.update_member(session, resources, user_id, body, by=who, now=now)
    if body.disabled:
        # Before the commit: should that fail, they only have to sign in again.
        async with resources.db.system() as connection:
            await sessions.end_sessions(connection, who.tenant_id, user_id)
    session.after_commit(lambda: resources.keep(LiveSessions).forget_user(user_id))
    return member


@users.get("/contact-policy", summary="What human agents see of contacts", responses=problems())
async def get_policy_of_contacts(who: Staff, session: TenantSession) -> ContactPolicy:
    """Whether contact details are masked for human agents."""
    return await get_contact_policy(session)


@users.put(
    "/contact-policy",
    summary="Say what human agents see of contacts",
    responses=problems(Forbidden),
)
async def put_policy_of_contacts(
    body: ContactPolicy, who: AdminOnly, session: TenantSession, resources: ResourcesDep
) -> ContactPolicy:
    """Mask contact details for human agents, or show them whole.

    Open feeds keep to it from the event `contact_policy.changed` on, every process within ten
    seconds.
    """
    return await set_contact_policy(session, resources, body, by=who)


def _visit(request: Request, now: datetime) -> Visit:
    return Visit(
        address=address_of(request),
        user_agent=request.headers.get("user-agent", ""),
        request_id=request_id_of(request),
        now=now,
    )


router = Router(
    routes=[
        *auth.routes,
        *users.routes,
        *onboarding.routes,
        *api_keys.routes,
        *tenants.routes,
    ]
)
