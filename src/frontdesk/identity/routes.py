"""HTTP of identity: signing in and out, who one is, and the members of a tenant."""

from uuid import UUID

from fastapi import APIRouter, Request

from frontdesk.core.api import (
    PUBLIC,
    AdminOnly,
    Cursor,
    Limit,
    Now,
    Page,
    ResourcesDep,
    Staff,
    TenantSession,
    problems,
    request_id_of,
)
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.identity import accounts, members
from frontdesk.identity.authentication import set_cookie
from frontdesk.identity.errors import (
    AlreadyMember,
    ChooseTenant,
    LastAdmin,
    TooManySignIns,
    WeakPassword,
    WrongCredentials,
)
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.schemas import (
    MemberCreate,
    MemberPublic,
    MemberUpdate,
    MePublic,
    PasswordChange,
    SignIn,
)

router = APIRouter()
auth = APIRouter(prefix="/api/v1", tags=["auth"])
users = APIRouter(prefix="/api/v1", tags=["users"])


@auth.post(
    "/auth/sign-in",
    summary="Sign in",
    dependencies=[PUBLIC],
    responses=problems(WrongCredentials, ChooseTenant, TooManySignIns),
)
async def sign_in(body: SignIn, request: Request, resources: ResourcesDep, now: Now) -> MePublic:
    """Set the session cookie for whoever knows the password; the token is never in a body.

    409 `choose_tenant` lists the user's tenants when there are several and none was named.
    """
    signed_in = await accounts.sign_in(
        resources,
        body,
        address=_address(request),
        user_agent=request.headers.get("user-agent", ""),
        request_id=request_id_of(request),
        now=now,
    )
    set_cookie(request, signed_in.token)
    return signed_in.me


@auth.post("/auth/sign-out", status_code=204, summary="Sign out", responses=problems())
async def sign_out(who: Staff, request: Request, resources: ResourcesDep) -> None:
    """End this session: here at once, in every process within ten seconds."""
    await accounts.sign_out(resources, who)
    set_cookie(request, "")


@auth.get("/me", summary="Who am I?", responses=problems())
async def get_me(who: Staff, session: TenantSession) -> MePublic:
    """Who is signed in, in which tenant, as what."""
    return await members.get_me(session, who)


@auth.post(
    "/me/password",
    status_code=204,
    summary="Change the password",
    responses=problems(WrongCredentials, WeakPassword, TooManySignIns),
)
async def change_password(
    body: PasswordChange, who: Staff, request: Request, resources: ResourcesDep
) -> None:
    """Set a new password; all other sessions of the user end, in every tenant."""
    await accounts.change_password(resources, who, body, address=_address(request))


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
    responses=problems(Forbidden, AlreadyMember, WeakPassword),
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
    responses=problems(Forbidden, NotFound, LastAdmin),
)
async def update_user(
    user_id: UUID,
    body: MemberUpdate,
    who: AdminOnly,
    session: TenantSession,
    resources: ResourcesDep,
    now: Now,
) -> MemberPublic:
    """Change the role, or let in or keep out. It holds in every process within ten seconds."""
    member = await members.update_member(session, user_id, body, by=who, now=now)
    if body.disabled:
        # Before the commit: should that fail, they only have to sign in again.
        await accounts.end_sessions(resources.db, who.tenant_id, user_id)
    session.after_commit(lambda: resources.keep(LiveSessions).forget_user(user_id))
    return member


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


router.include_router(auth)
router.include_router(users)
