"""The members of a tenant, as the tenant sees them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from frontdesk.core.callers import Principal, Role
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import Invalid, NotFound
from frontdesk.core.events import publish
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.core.resources import Resources
from frontdesk.identity.api_keys import revoke_keys_of
from frontdesk.identity.errors import LastAdmin
from frontdesk.identity.events import MemberDisabled, RoleChanged
from frontdesk.identity.models import Membership, User
from frontdesk.identity.plans import COUNT_USERS, PlanLimit, require_room
from frontdesk.identity.rules import leaves_no_admin
from frontdesk.identity.schemas import MemberPublic, MemberUpdate
from frontdesk.observability import audit

# What the tenant calls them: someone who had an account when they were let in has a name elsewhere.
_NAME: Any = sa.func.coalesce(col(Membership.name), col(User.name))
# Columns, never the row: the application's role may not read the password hash.
_MEMBER_COLUMNS: tuple[Any, ...] = (
    User.id,
    User.email,
    _NAME.label("name"),
    Membership.role,
    sa.or_(col(Membership.disabled_at).is_not(None), col(User.disabled_at).is_not(None)).label(
        "disabled"
    ),
    col(Membership.created_at).label("member_since"),
)


async def list_members(
    session: Session, *, limit: int = 100, cursor: str | None = None
) -> Page[MemberPublic]:
    """A page of the members, by name, the disabled ones among them."""
    query = (
        select(*_MEMBER_COLUMNS)
        .join(Membership, col(Membership.user_id) == col(User.id))
        .order_by(_NAME, col(User.id))
        .limit(limit + 1)
    )
    if values := decode_cursor(cursor, 2):
        name, user_id = values
        if not isinstance(name, str) or "\x00" in name:
            raise Invalid("The cursor is not one of ours.")
        after = sa.tuple_(sa.literal(name), sa.literal(cursor_uuid(user_id)))
        query = query.where(sa.tuple_(_NAME, col(User.id)) > after)
    rows = (await session.exec(query)).all()
    return Page(
        items=[MemberPublic.model_validate(row) for row in rows[:limit]],
        next_cursor=(
            encode_cursor(rows[limit - 1].name, rows[limit - 1].id) if len(rows) > limit else None
        ),
    )


async def find_admin(session: Session, email: str) -> UUID:
    """The id of the tenant's admin with this e-mail who may act now, or `NotFound`."""
    query = (
        select(col(User.id))
        .join(Membership, col(Membership.user_id) == col(User.id))
        .where(
            col(User.email) == email.strip().lower(),
            col(User.disabled_at).is_(None),
            col(Membership.disabled_at).is_(None),
            col(Membership.role) == Role.ADMIN,
        )
    )
    found = (await session.exec(query)).one_or_none()
    if found is None:
        raise NotFound(f"There is no admin {email} in this tenant.")
    return found


async def get_member(session: Session, user_id: UUID) -> MemberPublic:
    """One member, or `NotFound`."""
    row = (
        await session.exec(
            select(*_MEMBER_COLUMNS)
            .join(Membership, col(Membership.user_id) == col(User.id))
            .where(_is(user_id))
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no user {user_id}.")
    return MemberPublic.model_validate(row)


async def update_member(
    session: Session,
    resources: Resources,
    user_id: UUID,
    change: MemberUpdate,
    *,
    by: Principal,
    now: datetime,
) -> MemberPublic:
    """Change a member's role, or whether they may sign in to this tenant.

    Whoever is an admin no longer loses the API keys they made: they may still hold them.

    Raises:
        NotFound: no such member.
        LastAdmin: nobody could administer the tenant afterwards.
        PlanLimitReached: they would be let in again, and the plan allows no more users.
    """
    member, admins = await _lock_with_admins(session, user_id)
    role = member.role if change.role is None else change.role
    was_disabled = member.disabled_at is not None
    disabled = was_disabled if change.disabled is None else change.disabled
    if leaves_no_admin(admins, user_id, role=role, disabled=disabled):
        raise LastAdmin("Make someone else an admin first.")
    if role is not member.role:
        await audit(
            session,
            "member.role_changed",
            "membership",
            user_id,
            user_id=by.user_id,
            details={"from": member.role, "to": role},
            request_id=by.request_id,
        )
        member.role = role
        await session.flush()
        await publish(session, RoleChanged(tenant_id=session.tenant_id, user_id=user_id, role=role))
    if disabled is not was_disabled:
        if not disabled:
            await require_room(session, PlanLimit.USERS, COUNT_USERS)
        await audit(
            session,
            "member.disabled" if disabled else "member.enabled",
            "membership",
            user_id,
            user_id=by.user_id,
            request_id=by.request_id,
        )
        member.disabled_at = now if disabled else None
        await session.flush()
        if disabled:
            await publish(session, MemberDisabled(tenant_id=session.tenant_id, user_id=user_id))
    if disabled or role is not Role.ADMIN:
        await revoke_keys_of(session, resources, user_id, by=by, now=now)
    return await get_member(session, user_id)


async def get_user_names(tx: Transaction, user_ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of these users, as far as they are members of the transaction's tenant."""
    if not user_ids:
        return {}
    rows = await tx.sql.fetch(
        "SELECT u.id, coalesce(m.name, u.name) AS name FROM membership m "
        "JOIN app_user u ON u.id = m.user_id "
        "WHERE m.tenant_id = $2 AND m.user_id = ANY($1::uuid[])",
        list(user_ids),
        tx.tenant_id,
    )
    return {row["id"]: row["name"] for row in rows}


async def _lock_with_admins(session: Session, user_id: UUID) -> tuple[Membership, set[UUID]]:
    # All admins are locked, in one order: of two admins who demote each other at once, the second
    # sees what the first did.
    rows: Sequence[tuple[Membership, datetime | None]] = (
        await session.exec(
            select(Membership, col(User.disabled_at))
            .join(User, col(User.id) == col(Membership.user_id))
            .where(
                sa.or_(
                    col(Membership.user_id) == user_id,
                    sa.and_(
                        col(Membership.role) == Role.ADMIN, col(Membership.disabled_at).is_(None)
                    ),
                )
            )
            .order_by(col(Membership.user_id))
            .with_for_update(of=Membership, key_share=True)
        )
    ).all()
    member = next((member for member, _ in rows if member.user_id == user_id), None)
    if member is None:
        raise NotFound(f"There is no user {user_id}.")
    admins = {
        member.user_id
        for member, user_disabled_at in rows
        if member.role is Role.ADMIN and member.disabled_at is None and user_disabled_at is None
    }
    return member, admins


def _is(user_id: UUID) -> Any:
    return col(User.id) == user_id
