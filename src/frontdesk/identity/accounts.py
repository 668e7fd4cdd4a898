"""Accounts: what concerns a user beyond one tenant, and so runs as the system role.

This is identity's one module that opens `db.system_transaction()`: users, sign-ins and new tenants
exist before a tenant is known, and the application's role may not read password hashes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from frontdesk.core import ids
from frontdesk.core.api import Principal, Role
from frontdesk.core.db import Connection, Database, Transaction
from frontdesk.core.errors import Invalid
from frontdesk.core.resources import Resources
from frontdesk.core.text import clean
from frontdesk.identity import throttle
from frontdesk.identity.errors import (
    AlreadyMember,
    ChooseTenant,
    EmailTaken,
    SlugTaken,
    WrongCredentials,
)
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.passwords import hash_new_password, verify_password
from frontdesk.identity.rules import Belonging, chosen, is_slug
from frontdesk.identity.schemas import (
    MemberCreate,
    MemberPublic,
    MePublic,
    PasswordChange,
    SignIn,
    TenantPublic,
)
from frontdesk.identity.tokens import issue_token
from frontdesk.observability import audit

log = structlog.get_logger(__name__)

_INSERT_USER = """
INSERT INTO app_user (id, email, name, password_hash, is_super_admin) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (email) DO NOTHING RETURNING id
"""
_INSERT_MEMBERSHIP = """
INSERT INTO membership (tenant_id, user_id, role) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING created_at
"""
_BELONGINGS = """
SELECT t.id, t.name, t.slug, m.role
  FROM membership m JOIN tenant t ON t.id = m.tenant_id
 WHERE m.user_id = $1 AND m.disabled_at IS NULL AND t.status = 'ACTIVE'
 ORDER BY t.name, t.id
"""
_INSERT_SESSION = """
INSERT INTO user_session (id, user_id, tenant_id, user_agent, expires_at)
VALUES ($1, $2, $3, $4, $5)
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


async def add_member(tx: Transaction, tenant_id: UUID, user_id: UUID, role: Role) -> datetime:
    """Let a user into a tenant, in a system transaction; since when they are a member.

    Raises:
        AlreadyMember: they have a membership, perhaps a disabled one.
    """
    since: datetime | None = await tx.sql.fetchval(
        _INSERT_MEMBERSHIP, tenant_id, user_id, role.value
    )
    if since is None:
        raise AlreadyMember
    return since


async def add_person(db: Database, body: MemberCreate, *, by: Principal) -> MemberPublic:
    """Let someone into the tenant of `by`, with a new account unless their email has one.

    An existing account keeps its password and name, and the work done is the same: who adds a
    member is not told whether they had an account.

    Raises:
        AlreadyMember: they have a membership, perhaps a disabled one.
        WeakPassword: the password breaks a rule.
    """
    password_hash = await hash_new_password(body.password.get_secret_value(), email=body.email)
    async with db.system_transaction() as tx:
        user_id: UUID = await tx.sql.fetchval(
            _INSERT_USER, ids.new(), body.email, body.name, password_hash, False
        ) or await tx.sql.fetchval("SELECT id FROM app_user WHERE email = $1", body.email)
        since = await add_member(tx, by.tenant_id, user_id, body.role)
        await _act_in(tx, by.tenant_id)
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
    """A new session: the token that names it, and who has it."""

    token: str
    me: MePublic


async def sign_in(
    resources: Resources,
    body: SignIn,
    *,
    address: str,
    user_agent: str,
    request_id: str,
    now: datetime,
) -> SignedIn:
    """Open a session for whoever knows the password.

    Raises:
        WrongCredentials: no such user, password or tenant, or one that is disabled.
        ChooseTenant: the user belongs to several tenants and named none.
        TooManySignIns: too many attempts have failed; it takes a wait.
    """
    keys = throttle.keys_of(body.email, address)
    async with resources.db.system_transaction() as tx:
        await throttle.count_attempt(tx, keys)
    async with resources.db.system() as connection:
        user = await connection.fetchrow(
            "SELECT id, name, password_hash, disabled_at FROM app_user WHERE email = $1", body.email
        )
    matches, renewed_hash = await verify_password(
        body.password.get_secret_value(), None if user is None else user["password_hash"]
    )
    if user is None or not matches or user["disabled_at"] is not None:
        log.info("sign_in_failed", account=keys[0][0], address=address)
        raise WrongCredentials
    async with resources.db.system_transaction() as tx:
        await throttle.forgive(tx, keys)
        if renewed_hash is not None:
            await _store_hash(tx, user["id"], renewed_hash)
    async with resources.db.system_transaction() as tx:
        belongings = [
            Belonging(row["id"], row["name"], row["slug"], Role(row["role"]))
            for row in await tx.sql.fetch(_BELONGINGS, user["id"])
        ]
        belonging = chosen(belongings, body.tenant)
        if belonging is None:
            if body.tenant is None and belongings:
                raise ChooseTenant(
                    tenants=[{"slug": item.slug, "name": item.name} for item in belongings]
                )
            raise WrongCredentials
        session_id = ids.new()
        await tx.sql.execute(
            _INSERT_SESSION,
            session_id,
            user["id"],
            belonging.tenant_id,
            clean(user_agent)[:200],
            now + timedelta(days=resources.settings.security.session_days),
        )
        await _act_in(tx, belonging.tenant_id)
        await audit(
            tx,
            "session.opened",
            "user_session",
            session_id,
            user_id=user["id"],
            details={"address": address},
            request_id=request_id,
        )
    token = issue_token(
        resources.settings,
        session_id=session_id,
        user_id=user["id"],
        tenant_id=belonging.tenant_id,
        now=now,
    )
    me = MePublic(
        id=user["id"],
        email=body.email,
        name=user["name"],
        role=belonging.role,
        tenant=TenantPublic(id=belonging.tenant_id, name=belonging.name, slug=belonging.slug),
    )
    return SignedIn(token, me)


async def sign_out(resources: Resources, who: Principal) -> None:
    """End the caller's session: here at once, in other processes within ten seconds."""
    async with resources.db.system_transaction() as tx:
        await tx.sql.execute(
            "UPDATE user_session SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL",
            who.session_id,
        )
        await _act_in(tx, who.tenant_id)
        await audit(
            tx,
            "session.ended",
            "user_session",
            who.session_id,
            user_id=who.user_id,
            request_id=who.request_id,
        )
    resources.keep(LiveSessions).forget(who.session_id)


async def change_password(
    resources: Resources, who: Principal, body: PasswordChange, *, address: str
) -> None:
    """Give the caller a new password and end all their other sessions, in every tenant.

    Raises:
        WrongCredentials: the present password is another one.
        WeakPassword: the new one breaks a rule.
        TooManySignIns: too many attempts have failed; it takes a wait.
    """
    async with resources.db.system() as connection:
        user = await connection.fetchrow(
            "SELECT email, password_hash FROM app_user WHERE id = $1", who.user_id
        )
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
        await tx.sql.execute(
            "UPDATE user_session SET revoked_at = now() "
            "WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL",
            who.user_id,
            who.session_id,
        )
        await _act_in(tx, who.tenant_id)
        await audit(
            tx,
            "user.password_changed",
            "app_user",
            who.user_id,
            user_id=who.user_id,
            request_id=who.request_id,
        )
    resources.keep(LiveSessions).forget_user(who.user_id)


async def end_sessions(db: Database, tenant_id: UUID, user_id: UUID) -> None:
    """End a user's sessions in one tenant, so that they stay ended if the user is let in again."""
    async with db.system_transaction() as tx:
        await tx.sql.execute(
            "UPDATE user_session SET revoked_at = now() "
            "WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL",
            tenant_id,
            user_id,
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


async def _act_in(tx: Transaction, tenant_id: UUID) -> None:
    """Let what is written from here on, like audit entries, belong to this tenant by default."""
    await tx.sql.execute("SELECT set_config('app.tenant_id', $1, true)", str(tenant_id))
