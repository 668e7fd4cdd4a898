"""Sessions: opened, renewed, moved to another tenant, looked at and ended. As the system role.

A session is a row and, with it, a family of refresh tokens: each renewal makes a new generation.
Whoever shows an old one has either stolen it or was stolen from, so the session ends for both.
"""

from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address
from uuid import UUID

import structlog

from frontdesk.core import ids
from frontdesk.core.callers import Principal, SuperAdmin
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import NotFound, Unauthenticated
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.core.text import clean
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.rules import RefreshVerdict, judge_refresh
from frontdesk.identity.schemas import SessionPublic
from frontdesk.identity.tokens import SessionToken, Tokens, issue_tokens, read_refresh_token
from frontdesk.observability import audit

log = structlog.get_logger(__name__)

_INSERT = """
INSERT INTO user_session (id, user_id, tenant_id, user_agent, address, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_LOCK = """
SELECT generation, renewed_at, expires_at, now() AS now FROM user_session
 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > now()
   FOR UPDATE
"""
_RENEW = """
UPDATE user_session SET generation = generation + 1, renewed_at = now(), seen_at = now(),
    address = $2
 WHERE id = $1
"""
_LIST = """
SELECT s.id, s.user_agent, s.address, s.created_at, s.seen_at AS last_seen_at, s.expires_at,
       t.id AS tenant_id, t.name AS tenant_name, t.slug AS tenant_slug
  FROM user_session s LEFT JOIN tenant t ON t.id = s.tenant_id
 WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.expires_at > now()
   AND s.renewed_at > now() - make_interval(hours => $2)
 ORDER BY s.seen_at DESC, s.id DESC LIMIT 100
"""
_REVOKE = """
UPDATE user_session SET revoked_at = now() WHERE revoked_at IS NULL AND user_id = $1
"""


async def open_session(
    tx: Transaction,
    settings: Settings,
    *,
    user_id: UUID,
    tenant_id: UUID | None,
    user_agent: str,
    address: str,
    request_id: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> Tokens:
    """Open a session in a tenant, or a super admin's in none, in a system transaction.

    Args:
        expires_at: of the session that this one goes on; else `SECURITY__SESSION_DAYS` from now.
    """
    session_id = ids.new()
    until = expires_at or now + timedelta(days=settings.security.session_days)
    await tx.sql.execute(
        _INSERT,
        session_id,
        user_id,
        tenant_id,
        clean(user_agent)[:200],
        network_of(address),
        until,
    )
    if tenant_id is None:
        # An audit entry belongs to a tenant; this belongs to none.
        log.warning("super_admin_signed_in", user_id=str(user_id), address=address)
    else:
        await act_in(tx, tenant_id)
        await audit(
            tx,
            "session.opened",
            "user_session",
            session_id,
            user_id=user_id,
            details={"address": address},
            request_id=request_id,
        )
    return issue_tokens(
        settings,
        session_id=session_id,
        user_id=user_id,
        tenant_id=tenant_id,
        generation=0,
        expires_at=until,
        now=now,
    )


async def renew(
    resources: Resources, cookie: str, *, address: str, now: datetime
) -> tuple[SessionToken, Tokens]:
    """Give a browser its next tokens for the refresh token it holds.

    The requests that a browser makes at once all carry the same one: for some seconds after it
    was used it gets the tokens of the generation that replaced it.

    Raises:
        Unauthenticated: not one of ours, its session has ended, or it was used before: then the
            session ends now, for whoever else holds a token of it as well.
    """
    token = read_refresh_token(resources.settings, cookie)
    async with resources.db.system_transaction() as tx:
        row = await tx.sql.fetchrow(_LOCK, token.session_id, token.user_id)
        if row is None:
            raise Unauthenticated
        generation: int = row["generation"]
        verdict = judge_refresh(token.generation, generation, row["renewed_at"], row["now"])
        if verdict is RefreshVerdict.STOLEN:
            await _revoke_stolen(tx, token)
        elif verdict is RefreshVerdict.NEXT:
            await tx.sql.execute(_RENEW, token.session_id, network_of(address))
            generation += 1
    if verdict is RefreshVerdict.STOLEN:
        log.warning("refresh_token_reused", user_id=str(token.user_id), address=address)
        resources.keep(LiveSessions).forget(token.session_id)
        raise Unauthenticated
    tokens = issue_tokens(
        resources.settings,
        session_id=token.session_id,
        user_id=token.user_id,
        tenant_id=token.tenant_id,
        generation=generation,
        expires_at=row["expires_at"],
        now=now,
    )
    return token, tokens


async def sign_out(resources: Resources, who: Principal | SuperAdmin) -> None:
    """End the caller's session: here at once, in other processes within ten seconds."""
    async with resources.db.system_transaction() as tx:
        await tx.sql.execute(f"{_REVOKE} AND id = $2", who.user_id, who.session_id)
        await _audit_end(tx, who, who.session_id)
    resources.keep(LiveSessions).forget(who.session_id)


async def list_sessions(resources: Resources, who: Principal | SuperAdmin) -> list[SessionPublic]:
    """The caller's sessions in all their tenants, the one used last first; a hundred at most."""
    async with resources.db.system() as connection:
        rows = await connection.fetch(_LIST, who.user_id, resources.settings.security.idle_hours)
    return [
        SessionPublic(
            **{key: value for key, value in row.items() if not key.startswith("tenant_")},
            tenant=(
                {"id": row["tenant_id"], "name": row["tenant_name"], "slug": row["tenant_slug"]}
                if row["tenant_id"]
                else None
            ),
            current=row["id"] == who.session_id,
        )
        for row in rows
    ]


async def revoke_session(
    resources: Resources, who: Principal | SuperAdmin, session_id: UUID
) -> None:
    """End one of the caller's own sessions.

    Raises:
        NotFound: it has ended, or is somebody else's.
    """
    async with resources.db.system_transaction() as tx:
        if await tx.sql.fetchval(f"{_REVOKE} AND id = $2 RETURNING id", who.user_id, session_id):
            await _audit_end(tx, who, session_id)
        else:
            raise NotFound("There is no such session.")
    resources.keep(LiveSessions).forget(session_id)


async def revoke_others(resources: Resources, who: Principal | SuperAdmin) -> int:
    """End all sessions of the caller but this one, in every tenant; how many there were."""
    async with resources.db.system_transaction() as tx:
        ended = await end_other_sessions(tx, who)
    resources.keep(LiveSessions).forget_user(who.user_id)
    return ended


async def end_other_sessions(tx: Transaction, who: Principal | SuperAdmin) -> int:
    """End a user's sessions but the caller's, in a system transaction; how many there were."""
    ended = await tx.sql.fetch(f"{_REVOKE} AND id <> $2 RETURNING id", who.user_id, who.session_id)
    for row in ended:
        await _audit_end(tx, who, row["id"])
    return len(ended)


async def end_sessions(connection: Connection, tenant_id: UUID, user_id: UUID | None) -> None:
    """End a user's sessions in one tenant, or everybody's there, so that they stay ended."""
    await connection.execute(
        "UPDATE user_session SET revoked_at = now() WHERE tenant_id = $1 "
        "AND ($2::uuid IS NULL OR user_id = $2) AND revoked_at IS NULL",
        tenant_id,
        user_id,
    )


async def act_in(tx: Transaction, tenant_id: UUID) -> None:
    """Let what is written from here on, like audit entries, belong to this tenant by default."""
    await tx.sql.execute("SELECT set_config('app.tenant_id', $1, true)", str(tenant_id))


def network_of(address: str) -> str:
    """An address without its end: whose own place it is they know, and nobody else needs to."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv4Address):
        return f"{address.rpartition('.')[0]}.x"
    return f"{':'.join(parsed.exploded.split(':')[:3])}::x"


async def _revoke_stolen(tx: Transaction, token: SessionToken) -> None:
    await tx.sql.execute(f"{_REVOKE} AND id = $2", token.user_id, token.session_id)
    if token.tenant_id is not None:
        await act_in(tx, token.tenant_id)
        await audit(
            tx,
            "session.reuse_detected",
            "user_session",
            token.session_id,
            user_id=token.user_id,
        )


async def _audit_end(tx: Transaction, who: Principal | SuperAdmin, session_id: UUID) -> None:
    tenant_id = await tx.sql.fetchval(
        "SELECT tenant_id FROM user_session WHERE id = $1", session_id
    )
    if tenant_id is None:
        return
    await act_in(tx, tenant_id)
    await audit(
        tx,
        "session.ended",
        "user_session",
        session_id,
        user_id=who.user_id,
        request_id=who.request_id,
    )
