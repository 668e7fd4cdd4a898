"""Accounts: what concerns a user beyond one tenant, and so runs as the system role.

Users, sign-ins and new tenants exist before a tenant is known, and the application's role may not
read password hashes.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog

from frontdesk.core import ids
from frontdesk.core.callers import Principal, Role, SuperAdmin, require_member
from frontdesk.core.db import Connection, Database, Transaction
from frontdesk.core.errors import Invalid, NotFound, Unauthenticated
from frontdesk.core.resources import Resources
from frontdesk.core.text import clean
from frontdesk.identity import mfa, throttle
from frontdesk.identity.errors import (
    AlreadyMember,
    ChooseTenant,
    EmailTaken,
    SlugTaken,
    WrongCredentials,
)
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.passwords import hash_new_password, verify_password
from frontdesk.identity.plans import COUNT_USERS, PlanLimit, require_room
from frontdesk.identity.rules import Belonging, chosen, is_slug
from frontdesk.identity.schemas import (
    BelongingPublic,
    MemberCreate,
    MemberPublic,
    MePublic,
    PasswordChange,
    SignIn,
    TenantPublic,
    TenantSwitch,
)
from frontdesk.identity.sessions import act_in, end_other_sessions, open_session
from frontdesk.identity.tokens import Tokens
from frontdesk.observability import audit

log = structlog.get_logger(__name__)

_INSERT_USER = """
INSERT INTO app_user (id, email, name, password_hash, is_super_admin) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (email) DO NOTHING RETURNING id
"""
_INSERT_MEMBERSHIP = """
INSERT INTO membership (tenant_id, user_id, role, name) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING created_at
"""
_BELONGINGS = """
SELECT t.id, t.name, t.slug, m.role
  FROM membership m JOIN tenant t ON t.id = m.tenant_id
 WHERE m.user_id = $1 AND m.disabled_at IS NULL AND t.status = 'ACTIVE'
 ORDER BY t.name, t.id
"""
_USER = """
SELECT id, email, name, password_hash, disabled_at, is_super_admin FROM app_user
"""


async def create_tenant(tx: Transaction, name: str, slug: str) -> TenantPublic:
    """Make a tenant, in a system transaction.

    Args:
        slug: how users name it when they sign in: lower case, digits and single hyphens.

    Raises:
        SlugTaken: another tenant has it.
        Invalid: the slug has other characters.
    """
    if not is_slug(slug):
        raise Invalid("A slug has lower-case letters, digits and single hyphens, 63 at most.")
    row = await tx.sql.fetchrow(
        "INSERT INTO tenant (id, name, slug) VALUES ($1, $2, $3) "
        "ON CONFLICT (slug) DO NOTHING RETURNING id, name, slug",
        ids.new(),
        clean(name),
        slug,
    )
    if row is None:
        raise SlugTaken(f"There is a tenant {slug}.")
    return TenantPublic(**dict(row))


async def create_user(
    tx: Transaction, email: str, name: str, password: str, *, is_super_admin: bool = False
) -> UUID:
    """Make a user who belongs to no tenant yet, in a system transaction; their id.

    Raises:
        WeakPassword: the password breaks a rule.
        EmailTaken: there is a user with this email.
    """
    email = email.strip().lower()
    password_hash = await hash_new_password(password, email=email)
    user_id: UUID | None = await tx.sql.fetchval(
        _INSERT_USER, ids.new(), email, clean(name), password_hash, is_super_admin
    )
    if user_id is None:
        raise EmailTaken
    return user_id


async def find_or_create_user(tx: Transaction, email: str, name: str, password_hash: str) -> UUID:
    """The user with this email, made now unless there is one, in a system transaction; their id."""
    user_id: UUID = await tx.sql.fetchval(
        _INSERT_USER, ids.new(), email, name, password_hash, False
    ) or await tx.sql.fetchval("SELECT id FROM app_user WHERE email = $1", email)
    return user_id


async def add_member(
    tx: Transaction, tenant_id: UUID, user_id: UUID, role: Role, *, name: str | None = None
) -> datetime:
    """Let a user into a tenant, in a system transaction; since when they are a member.

    Args:
        name: what the tenant calls them; else the name of their account.

    Raises:
        AlreadyMember: they have a membership, perhaps a disabled one.
        PlanLimitReached: the tenant has as many users as its plan allows.
    """
    await act_in(tx, tenant_id)
    await require_room(tx, PlanLimit.USERS, COUNT_USERS)
    since: datetime | None = await tx.sql.fetchval(
        _INSERT_MEMBERSHIP, tenant_id, user_id, role.value, name
    )
    if since is None:
        raise AlreadyMember
    return since


async def add_person(db: Database, body: MemberCreate, *, by: Principal) -> MemberPublic:
    """Let someone into the tenant of `by`, with a new account unless their email has one.

    An existing account keeps its password and name, this tenant calls them as it wishes, and the
    work done is the same: who adds a member is not told whether they had an account.

    Raises:
        AlreadyMember: they have a membership, perhaps a disabled one.
        WeakPassword: the password breaks a rule.
        PlanLimitReached: the tenant has as many users as its plan allows.
    """
    password_hash = await hash_new_password(body.password.get_secret_value(), email=body.email)
    async with db.system_transaction() as tx:
        user_id = await find_or_create_user(tx, body.email, body.name, password_hash)
        if user_id == by.user_id:
            # Whoever acts here would stay for good.
            require_member(by)
        since = await add_member(tx, by.tenant_id, user_id, body.role, name=body.name)
        await audit(
            tx,
            "member.added",
            "membership",
            user_id,
            user_id=by.user_id,
            details={"role": body.role},
            request_id=by.request_id,
        )
    return MemberPublic(
        id=user_id,
        email=body.email,
        name=body.name,
        role=body.role,
        disabled=False,
        member_since=since,
    )


@dataclass(frozen=True)
class SignedIn:
    """A new session: the tokens that name it, and who has it."""

    tokens: Tokens
    me: MePublic


@dataclass(frozen=True)
class Visit:
    """Where and with what somebody signs in, for their list of sessions and the audit log."""

    address: str
    user_agent: str
    request_id: str
    now: datetime


async def sign_in(resources: Resources, body: SignIn, visit: Visit) -> SignedIn:
    """Open a session for whoever knows the password.

    Raises:
        WrongCredentials: no such user, password or tenant, or one that is disabled.
        ChooseTenant: the user belongs to several tenants and named none.
        TooManySignIns: too many attempts have failed; it takes a wait.
        MfaRequired, MfaEnrolmentRequired: the password is right, and it takes a second step.
    """
    keys = throttle.keys_of(body.email, visit.address)
    async with resources.db.system_transaction() as tx:
        await throttle.count_attempt(tx, keys)
    async with resources.db.system() as connection:
        user = await connection.fetchrow(f"{_USER} WHERE email = $1", body.email)
    matches, renewed_hash = await verify_password(
        body.password.get_secret_value(), None if user is None else user["password_hash"]
    )
    if user is None or not matches or user["disabled_at"] is not None:
        log.info("sign_in_failed", account=keys[0][0], address=visit.address)
        raise WrongCredentials
    async with resources.db.system_transaction() as tx:
        await throttle.forgive(tx, keys)
        if renewed_hash is not None:
            await _store_hash(tx, user["id"], renewed_hash)
    async with resources.db.system_transaction() as tx:
        belongings = await _belongings(tx.sql, user["id"])
        belonging = None if body.platform else chosen(belongings, body.tenant)
        if belonging is None:
            wants_platform = body.platform or (body.tenant is None and not belongings)
            if body.tenant is None and belongings and not body.platform:
                raise ChooseTenant(
                    tenants=[{"slug": item.slug, "name": item.name} for item in belongings]
                )
            if not (wants_platform and user["is_super_admin"]):
                raise WrongCredentials
        await mfa.challenge_if_enrolled(
            tx,
            resources.settings,
            user["id"],
            belonging.tenant_id if belonging else None,
            visit.now,
        )
        return await _open(tx, resources, user, belonging, visit)


async def open_proven(
    resources: Resources, user_id: UUID, tenant_id: UUID | None, visit: Visit
) -> SignedIn:
    """Open the session of a sign-in whose second factor is proved too.

    Raises:
        WrongCredentials: the user or the tenant was disabled meanwhile.
    """
    async with resources.db.system_transaction() as tx:
        user = await tx.sql.fetchrow(f"{_USER} WHERE id = $1 AND disabled_at IS NULL", user_id)
        belongings = await _belongings(tx.sql, user_id)
        belonging = next((item for item in belongings if item.tenant_id == tenant_id), None)
        if user is None or (belonging is None and (tenant_id or not user["is_super_admin"])):
            raise WrongCredentials
        return await _open(tx, resources, user, belonging, visit)


async def switch_tenant(
    resources: Resources, who: Principal | SuperAdmin, body: TenantSwitch, visit: Visit
) -> SignedIn:
    """Go on in another tenant of one's own, or as a super admin in none; this session ends.

    Raises:
        NotFound: no such tenant, or not one the caller may sign in to.
        MfaMissing: it asks for an authenticator app, and the caller has none.
    """
    async with resources.db.system_transaction() as tx:
        user = await tx.sql.fetchrow(f"{_USER} WHERE id = $1", who.user_id)
        assert user is not None, "whoever is signed in has a row"
        belonging = None
        if body.tenant is not None:
            belonging = chosen(await _belongings(tx.sql, who.user_id), body.tenant)
            if belonging is None:
                raise NotFound(f"There is no tenant “{body.tenant}”.")
            await mfa.require_enrolment(tx, who.user_id, belonging.tenant_id)
        elif not user["is_super_admin"]:
            raise NotFound("There is no such tenant.")
        # Locked: of two switches at once only one goes on from this session.
        expires_at = await tx.sql.fetchval(
            "UPDATE user_session SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL "
            "RETURNING expires_at",
            who.session_id,
        )
        if expires_at is None:
            raise Unauthenticated
        signed_in = await _open(tx, resources, user, belonging, visit, expires_at=expires_at)
    resources.keep(LiveSessions).forget(who.session_id)
    return signed_in


async def get_me(resources: Resources, who: Principal | SuperAdmin) -> MePublic:
    """Who is signed in, in which tenant, as what."""
    acting = who.acting if isinstance(who, SuperAdmin) else None
    tenant_id = who.tenant_id if isinstance(who, Principal) else acting and acting.tenant_id
    async with resources.db.system() as connection:
        user = await connection.fetchrow(f"{_USER} WHERE id = $1", who.user_id)
        tenant = await connection.fetchrow(
            "SELECT id, name, slug FROM tenant WHERE id = $1", tenant_id
        )
        acting_until = acting and await connection.fetchval(
            "SELECT expires_at FROM acting WHERE tenant_id = $1 AND id = $2",
            acting.tenant_id,
            acting.acting_id,
        )
    assert user is not None, "whoever is signed in has a row"
    return MePublic(
        id=user["id"],
        email=user["email"],
        name=user["name"],
        role=who.role if isinstance(who, Principal) else "SUPER_ADMIN",
        tenant=TenantPublic(**dict(tenant)) if tenant else None,
        acting_until=acting_until,
    )


async def list_tenants_of(
    resources: Resources, who: Principal | SuperAdmin
) -> list[BelongingPublic]:
    """The tenants the caller may switch to, by name, and what they are there."""
    async with resources.db.system() as connection:
        belongings = await _belongings(connection, who.user_id)
    return [
        BelongingPublic(
            tenant=TenantPublic(id=item.tenant_id, name=item.name, slug=item.slug), role=item.role
        )
        for item in belongings
    ]


async def change_password(
    resources: Resources, who: Principal | SuperAdmin, body: PasswordChange, *, address: str
) -> None:
    """Give the caller a new password and end all their other sessions, in every tenant.

    Raises:
        WrongCredentials: the present password is another one.
        WeakPassword: the new one breaks a rule.
        TooManySignIns: too many attempts have failed; it takes a wait.
    """
    async with resources.db.system() as connection:
        user = await connection.fetchrow(f"{_USER} WHERE id = $1", who.user_id)
    assert user is not None, "whoever is signed in has a row"
    # A cookie left open on a shared computer is no licence to guess the password.
    keys = throttle.keys_of(user["email"], address)
    async with resources.db.system_transaction() as tx:
        await throttle.count_attempt(tx, keys)
    matches, _ = await verify_password(
        body.current_password.get_secret_value(), user["password_hash"]
    )
    if not matches:
        raise WrongCredentials("The present password is another one.")
    new_hash = await hash_new_password(body.new_password.get_secret_value(), email=user["email"])
    async with resources.db.system_transaction() as tx:
        await throttle.forgive(tx, keys)
        await _store_hash(tx, who.user_id, new_hash)
        # A link that was asked for before is not needed any more.
        await tx.sql.execute("DELETE FROM password_reset WHERE user_id = $1", who.user_id)
        await end_other_sessions(tx, who)
        if isinstance(who, Principal):
            await act_in(tx, who.tenant_id)
            await audit(
                tx,
                "user.password_changed",
                "app_user",
                who.user_id,
                user_id=who.user_id,
                request_id=who.request_id,
            )
    resources.keep(LiveSessions).forget_user(who.user_id)


async def make_super_admin(tx: Transaction, user_id: UUID) -> bool:
    """Let a user look after the platform, in a system transaction; whether that is new."""
    return bool(
        await tx.sql.fetchval(
            "UPDATE app_user SET is_super_admin = true WHERE id = $1 AND NOT is_super_admin "
            "RETURNING true",
            user_id,
        )
    )


async def prune_sign_ins(connection: Connection) -> int:
    """Delete sessions that ended a month ago and failures nobody counts any more; how many."""
    deleted = 0
    for statement in (
        "DELETE FROM user_session "
        "WHERE least(expires_at, revoked_at) < now() - make_interval(days => 30)",
        "DELETE FROM login_throttle WHERE updated_at < now() - make_interval(days => 1)",
    ):
        deleted += int((await connection.execute(statement)).rpartition(" ")[2])
    return deleted


async def _store_hash(tx: Transaction, user_id: UUID, password_hash: str) -> None:
    await tx.sql.execute(
        "UPDATE app_user SET password_hash = $2 WHERE id = $1", user_id, password_hash
    )


async def _belongings(connection: Connection, user_id: UUID) -> list[Belonging]:
    return [
        Belonging(row["id"], row["name"], row["slug"], Role(row["role"]))
        for row in await connection.fetch(_BELONGINGS, user_id)
    ]


async def _open(
    tx: Transaction,
    resources: Resources,
    user: asyncpg.Record,
    belonging: Belonging | None,
    visit: Visit,
    *,
    expires_at: datetime | None = None,
) -> SignedIn:
    tokens = await open_session(
        tx,
        resources.settings,
        user_id=user["id"],
        tenant_id=belonging.tenant_id if belonging else None,
        user_agent=visit.user_agent,
        address=visit.address,
        request_id=visit.request_id,
        now=visit.now,
        expires_at=expires_at,
    )
    me = MePublic(
        id=user["id"],
        email=user["email"],
        name=user["name"],
        role=belonging.role if belonging else "SUPER_ADMIN",
        tenant=belonging
        and TenantPublic(id=belonging.tenant_id, name=belonging.name, slug=belonging.slug),
    )
    return SignedIn(tokens, me)
