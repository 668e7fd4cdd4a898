"""Tenants as the platform looks after them: made, limited, suspended, visited. As the system role.

Everything a super admin does to a tenant stands in that tenant's own audit log, and so does what an
operator does at a shell, who is nobody: then `by` is None.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from frontdesk.core import ids
from frontdesk.core.callers import Role, SuperAdmin
from frontdesk.core.db import Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.core.resources import Resources
from frontdesk.core.text import clean
from frontdesk.identity.accounts import add_member, create_tenant, find_or_create_user
from frontdesk.identity.api_keys import forget_keys
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.mfa import require_enrolment
from frontdesk.identity.models import TenantStatus
from frontdesk.identity.passwords import hash_new_password
from frontdesk.identity.sessions import act_in, end_sessions
from frontdesk.identity.tenant_schemas import (
    ActAs,
    ActingPublic,
    Suspension,
    TenantAccountPublic,
    TenantCreate,
    TenantUpdate,
)
from frontdesk.observability import audit

_COLUMNS = (
    "id, name, slug, status, plan, max_users, max_channels, max_agents, "
    "max_conversations_at_once, created_at"
)
_LIST = f"""
SELECT {_COLUMNS} FROM tenant
 WHERE ($1::text IS NULL OR status = $1) AND ($2::uuid IS NULL OR id > $2)
 ORDER BY id LIMIT $3
"""  # noqa: S608  # The columns are ours.
_SET = """
UPDATE tenant SET name = $2, plan = $3, max_users = $4, max_channels = $5, max_agents = $6,
    max_conversations_at_once = $7
 WHERE id = $1
"""
_BEGIN_ACTING = """
INSERT INTO acting (id, user_id, session_id, reason, expires_at)
VALUES ($1, $2, $3, $4, now() + $5) RETURNING id, tenant_id, reason, started_at, expires_at
"""
_END_ACTING = """
UPDATE acting SET ended_at = now()
 WHERE session_id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)
   AND ended_at IS NULL AND expires_at > now()
RETURNING id, tenant_id
"""


async def open_tenant(
    resources: Resources, body: TenantCreate, *, by: SuperAdmin | None
) -> TenantAccountPublic:
    """Make a tenant with its plan and, when one is given, its first admin.

    Raises:
        SlugTaken: another tenant has it.
        WeakPassword: the admin's password breaks a rule.
        PlanLimitReached: an admin is given and the plan allows no users.
    """
    password_hash = ""
    if body.admin is not None:
        password_hash = await hash_new_password(
            body.admin.password.get_secret_value(), email=body.admin.email
        )
    async with resources.db.system_transaction() as tx:
        tenant_id = (await create_tenant(tx, body.name, body.slug)).id
        await _set(tx, tenant_id, body.model_dump(exclude={"admin", "slug"}))
        await _audit(tx, tenant_id, "tenant.created", by, {"plan": body.plan})
        if body.admin is not None:
            user_id = await find_or_create_user(
                tx, body.admin.email, body.admin.name, password_hash
            )
            await add_member(tx, tenant_id, user_id, Role.ADMIN, name=body.admin.name)
            await audit(
                tx,
                "member.added",
                "membership",
                user_id,
                user_id=by.user_id if by else None,
                details={"role": Role.ADMIN},
                request_id=by.request_id if by else None,
            )
        return await _get(tx, tenant_id)


async def list_tenants(
    resources: Resources, *, status: TenantStatus | None, limit: int, cursor: str | None
) -> Page[TenantAccountPublic]:
    """A page of all tenants, the oldest first."""
    values = decode_cursor(cursor, 1)
    async with resources.db.system() as connection:
        rows = await connection.fetch(
            _LIST, status, cursor_uuid(values[0]) if values else None, limit + 1
        )
    return Page(
        items=[TenantAccountPublic(**dict(row)) for row in rows[:limit]],
        next_cursor=encode_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None,
    )


async def get_tenant(resources: Resources, tenant_id: UUID) -> TenantAccountPublic:
    """One tenant, or `NotFound`."""
    async with resources.db.system_transaction() as tx:
        return await _get(tx, tenant_id)


async def change_tenant(
    resources: Resources, tenant_id: UUID, body: TenantUpdate, *, by: SuperAdmin
) -> TenantAccountPublic:
    """Change a tenant's name, plan or limits.

    What a lowered limit leaves over stays; there is only no more of it.

    Raises:
        NotFound: no such tenant.
    """
    changes = {
        name: value
        for name, value in body.model_dump(exclude_unset=True).items()
        # Limits may be taken away; a tenant always has a name and a plan.
        if value is not None or name.startswith("max_")
    }
    async with resources.db.system_transaction() as tx:
        before = (await _get(tx, tenant_id, lock=True)).model_dump()
        changed = {name: value for name, value in changes.items() if before[name] != value}
        if changed:
            await _set(tx, tenant_id, before | changed)
            await _audit(tx, tenant_id, "tenant.changed", by, changed)
        return await _get(tx, tenant_id)


async def suspend(
    resources: Resources, tenant_id: UUID, body: Suspension, *, by: SuperAdmin | None
) -> TenantAccountPublic:
    """Serve a tenant no longer: nobody signs in, sessions end, keys rest, its AI agents fall silent.

    What contacts write is still received and stored; nobody answers it until `resume`. A burst
    that is being answered at this moment is still answered.

    Raises:
        NotFound: no such tenant.
    """
    async with resources.db.system_transaction() as tx:
        if await _set_status(tx, tenant_id, TenantStatus.SUSPENDED):
            await end_sessions(tx.sql, tenant_id, None)
            await _audit(tx, tenant_id, "tenant.suspended", by, {"reason": body.reason})
        tenant = await _get(tx, tenant_id)
    resources.keep(LiveSessions).forget_tenant(tenant_id)
    await forget_keys(resources, tenant_id)
    return tenant


async def resume(
    resources: Resources, tenant_id: UUID, *, by: SuperAdmin | None
) -> TenantAccountPublic:
    """Serve a tenant again; what its contacts wrote meanwhile is answered now.

    Raises:
        NotFound: no such tenant.
    """
    async with resources.db.system_transaction() as tx:
        if await _set_status(tx, tenant_id, TenantStatus.ACTIVE):
            await _audit(tx, tenant_id, "tenant.resumed", by, {})
        return await _get(tx, tenant_id)


async def act_as(
    resources: Resources, tenant_id: UUID, body: ActAs, *, by: SuperAdmin
) -> ActingPublic:
    """Let a super admin's session into a tenant as an admin, for a while; it ends by itself.

    A session acts in one tenant at a time. The tenant sees who came, why and until when.

    Raises:
        NotFound: no such tenant.
        MfaMissing: it asks for an authenticator app, and the caller has none.
    """
    async with resources.db.system_transaction() as tx:
        await _get(tx, tenant_id)
        await require_enrolment(tx, by.user_id, tenant_id)
        await _end_acting(tx, None, by)
        await act_in(tx, tenant_id)
        row = await tx.sql.fetchrow(
            _BEGIN_ACTING,
            ids.new(),
            by.user_id,
            by.session_id,
            clean(body.reason),
            timedelta(minutes=body.minutes),
        )
        who = await tx.sql.fetchrow("SELECT name, email FROM app_user WHERE id = $1", by.user_id)
        assert row is not None
        assert who is not None, "whoever is signed in has a row"
        acting = ActingPublic(**dict(row))
        await audit(
            tx,
            "tenant.entered",
            "acting",
            acting.id,
            user_id=by.user_id,
            details={**dict(who), "reason": acting.reason, "until": acting.expires_at.isoformat()},
            request_id=by.request_id,
        )
    resources.keep(LiveSessions).forget(by.session_id)
    return acting


async def stop_acting(resources: Resources, tenant_id: UUID, *, by: SuperAdmin) -> None:
    """End the caller's time in a tenant: here at once, in other processes within ten seconds.

    Raises:
        NotFound: this session does not act in this tenant.
    """
    async with resources.db.system_transaction() as tx:
        if not await _end_acting(tx, tenant_id, by):
            raise NotFound("You do not act in this tenant.")
    resources.keep(LiveSessions).forget(by.session_id)


async def _get(tx: Transaction, tenant_id: UUID, *, lock: bool = False) -> TenantAccountPublic:
    row = await tx.sql.fetchrow(
        f"SELECT {_COLUMNS} FROM tenant WHERE id = $1 "  # noqa: S608  # The columns are ours.
        + ("FOR NO KEY UPDATE" if lock else ""),
        tenant_id,
    )
    if row is None:
        raise NotFound("There is no such tenant.")
    return TenantAccountPublic(**dict(row))


async def _set(tx: Transaction, tenant_id: UUID, values: Mapping[str, Any]) -> None:
    await tx.sql.execute(
        _SET,
        tenant_id,
        values["name"],
        values["plan"],
        values["max_users"],
        values["max_channels"],
        values["max_agents"],
        values["max_conversations_at_once"],
    )


async def _set_status(tx: Transaction, tenant_id: UUID, status: TenantStatus) -> bool:
    """Whether the tenant had another status before."""
    changed = await tx.sql.fetchval(
        "UPDATE tenant SET status = $2 WHERE id = $1 AND status <> $2 RETURNING true",
        tenant_id,
        status.value,
    )
    return bool(changed)


async def _end_acting(tx: Transaction, tenant_id: UUID | None, by: SuperAdmin) -> bool:
    ended = await tx.sql.fetch(_END_ACTING, by.session_id, tenant_id)
    for row in ended:
        await act_in(tx, row["tenant_id"])
        await audit(
            tx,
            "tenant.left",
            "acting",
            row["id"],
            user_id=by.user_id,
            request_id=by.request_id,
        )
    return bool(ended)


async def _audit(
    tx: Transaction, tenant_id: UUID, action: str, by: SuperAdmin | None, details: dict[str, Any]
) -> None:
    await act_in(tx, tenant_id)
    await audit(
        tx,
        action,
        "tenant",
        tenant_id,
        user_id=by.user_id if by else None,
        details=details,
        request_id=by.request_id if by else None,
    )
