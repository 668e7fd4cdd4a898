"""Invites: an admin asks an email in, and whoever reads that mailbox accepts.

The tenant's side runs in the tenant's transaction. Accepting comes before a tenant is known, so it
and the e-mail run as the system role. Nobody who invites learns whether an email has an account.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from frontdesk.core.callers import Principal, Role
from frontdesk.core.db import Session
from frontdesk.core.errors import Invalid, NotFound, RateLimited
from frontdesk.core.limits import Bucket
from frontdesk.core.mail import Mail
from frontdesk.core.pages import Page, newest_page
from frontdesk.core.resources import Resources
from frontdesk.core.text import excerpt
from frontdesk.identity.accounts import add_member, create_user
from frontdesk.identity.errors import AlreadyMember, WrongCredentials
from frontdesk.identity.links import hash_token, link_to, new_token, prove_password
from frontdesk.identity.models import Membership, User
from frontdesk.identity.onboarding_errors import AlreadyInvited, InviteClosed, LinkNotFound
from frontdesk.identity.onboarding_models import Delivery, Invite, MailKind
from frontdesk.identity.onboarding_schemas import (
    InviteAccept,
    InviteAccepted,
    InviteCreate,
    InviteOffer,
    InvitePublic,
    InviteState,
)
from frontdesk.identity.outbox import Letter, queue_mail, require_mail
from frontdesk.identity.plans import COUNT_USERS, PlanLimit, require_room
from frontdesk.observability import audit

INVITE_HOURS = 72
# Enough for a team on its first day; not enough to write to strangers with our mail server.
INVITES_AT_ONCE, INVITES_PER_HOUR = 30, 30

_OPEN = "accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now()"
_STORE_LINK = f"""
UPDATE invite i SET token_hash = $2
  FROM tenant t, app_user u
 WHERE i.id = $1 AND {_OPEN} AND t.id = i.tenant_id AND t.status = 'ACTIVE' AND u.id = i.invited_by
RETURNING t.name AS tenant, u.name AS inviter, i.role, i.expires_at
"""  # noqa: S608  # Ours.
_FIND = f"""
SELECT i.id, i.tenant_id, i.email, i.role, i.expires_at, t.name AS tenant, t.slug,
       u.id AS user_id, u.password_hash, u.disabled_at
  FROM invite i JOIN tenant t ON t.id = i.tenant_id LEFT JOIN app_user u ON u.email = i.email
 WHERE i.token_hash = $1 AND {_OPEN} AND t.status = 'ACTIVE'
"""  # noqa: S608  # Ours.
# One of two who accept at once gets the row.
_ACCEPT = f"""
UPDATE invite SET accepted_at = now() WHERE id = $1 AND token_hash = $2 AND {_OPEN} RETURNING id
"""  # noqa: S608  # Ours.


async def create_invite(
    resources: Resources, session: Session, body: InviteCreate, *, by: Principal, now: datetime
) -> InvitePublic:
    """Ask an email into the tenant of `by`; the link goes out by e-mail and is good for 72 hours.

    Raises:
        NoMail: this deployment sends none.
        AlreadyMember: a member has this email.
        AlreadyInvited: it has an open invite; that one can be sent again, or revoked.
        PlanLimitReached: the tenant has as many users as its plan allows.
        RateLimited: the tenant sent many invites just now.
    """
    require_mail(resources.settings)
    await _slow_down(resources, by.tenant_id)
    if await session.scalar(
        select(col(User.id))
        .join(Membership, col(Membership.user_id) == col(User.id))
        .where(col(User.email) == body.email)
    ):
        raise AlreadyMember
    await require_room(session, PlanLimit.USERS, COUNT_USERS)
    await session.execute(
        sa.update(Invite)
        .where(col(Invite.email) == body.email, *_is_open(), col(Invite.expires_at) <= now)
        .values(revoked_at=now)
    )
    invite = (
        await session.scalars(
            insert(Invite)
            .values(
                email=body.email,
                role=body.role,
                invited_by=by.user_id,
                expires_at=now + timedelta(hours=INVITE_HOURS),
            )
            .on_conflict_do_nothing()  # Two admins may ask at once; the unique index picks one.
            .returning(Invite)
        )
    ).one_or_none()
    if invite is None:
        raise AlreadyInvited("Send it again, or revoke it first.")
    await _audit(session, "invite.created", invite, by, role=body.role)
    await queue_mail(session, MailKind.INVITE, invite.email, invite.id)
    return _public(invite, now)


async def list_invites(
    session: Session, *, now: datetime, limit: int, cursor: str | None
) -> Page[InvitePublic]:
    """A page of the tenant's invites, the newest first."""
    query = select(Invite)
    return await newest_page(
        session,
        query,
        col(Invite.id),
        lambda invite: _public(invite, now),
        limit=limit,
        cursor=cursor,
    )


async def resend_invite(
    resources: Resources, session: Session, invite_id: UUID, *, by: Principal, now: datetime
) -> InvitePublic:
    """Send an open or expired invite again, good for another 72 hours; its older link is dead.

    Raises:
        NotFound: no such invite.
        InviteClosed: it was accepted or revoked.
        NoMail, RateLimited: as for a new one.
    """
    require_mail(resources.settings)
    invite = await _lock(session, invite_id)
    if invite.accepted_at is not None or invite.revoked_at is not None:
        raise InviteClosed
    await _slow_down(resources, by.tenant_id)
    invite.token_hash = None
    invite.delivery = Delivery.QUEUED
    invite.expires_at = now + timedelta(hours=INVITE_HOURS)
    await session.flush()
    await _audit(session, "invite.sent_again", invite, by)
    await queue_mail(session, MailKind.INVITE, invite.email, invite.id)
    return _public(invite, now)


async def revoke_invite(session: Session, invite_id: UUID, *, by: Principal, now: datetime) -> None:
    """Take an invite back: its link is dead. Once revoked, it stays so.

    Raises:
        NotFound: no such invite.
        InviteClosed: it was accepted; disable the member instead.
    """
    invite = await _lock(session, invite_id)
    if invite.accepted_at is not None:
        raise InviteClosed("It was accepted.")
    if invite.revoked_at is None:
        invite.revoked_at = now
        await session.flush()
        await _audit(session, "invite.revoked", invite, by)


async def write_invite(resources: Resources, letter: Letter) -> Mail | None:
    """The e-mail with a fresh link, which replaces older ones; None when the invite is over."""
    token = new_token()
    async with resources.db.system_transaction() as tx:
        row = await tx.sql.fetchrow(_STORE_LINK, letter.subject_id, hash_token(token))
    if row is None:
        return None
    # People choose these names, and strangers read them here.
    inviter, tenant = excerpt(row["inviter"], 60), excerpt(row["tenant"], 60)
    role = "an admin" if row["role"] == "ADMIN" else "a human agent"
    return Mail(
        letter.address,
        f"{inviter} invites you to {tenant} on Frontdesk",
        f"{inviter} invites you to work for {tenant} on Frontdesk, as {role}.\n\n"
        f"To accept, open this link by {row['expires_at']:%d %B %Y, %H:%M} UTC. It works once:\n\n"
        f"{link_to(resources.settings, 'accept-invite', token)}\n\n"
        "If you did not expect this, do nothing: you are not signed up for anything.\n",
    )


async def read_offer(resources: Resources, token: str) -> InviteOffer:
    """What the invite of this link offers; raises `LinkNotFound` when it is good no more."""
    row = await _find(resources, hash_token(token))
    return InviteOffer(
        tenant=row["tenant"],
        email=row["email"],
        role=row["role"],
        has_account=row["user_id"] is not None,
        expires_at=row["expires_at"],
    )


async def accept_invite(
    resources: Resources, body: InviteAccept, *, address: str, request_id: str
) -> InviteAccepted:
    """Make whoever holds the link a member: with a new account, or theirs and its password.

    Raises:
        LinkNotFound: accepted, revoked, expired, replaced, or never ours.
        WrongCredentials: the email has an account, and this is not its password.
        TooManySignIns: too many attempts at that password have failed.
        WeakPassword: a new password breaks a rule.
        Invalid: a new account needs a name.
        AlreadyMember: they have a membership, perhaps a disabled one.
        PlanLimitReached: the tenant has as many users as its plan allows.
        EmailTaken: somebody made an account with this email just now.
    """
    token_hash = hash_token(body.token.get_secret_value())
    row = await _find(resources, token_hash)
    user_id, email, password = row["user_id"], row["email"], body.password.get_secret_value()
    if user_id is not None:
        await prove_password(
            resources, email=email, stored=row["password_hash"], password=password, address=address
        )
        if row["disabled_at"] is not None:
            raise WrongCredentials
    elif body.name is None:
        raise Invalid("Say your name: this email has no account yet.")
    async with resources.db.system_transaction() as tx:
        if not await tx.sql.fetchval(_ACCEPT, row["id"], token_hash):
            raise LinkNotFound
        if user_id is None:
            assert body.name is not None
            user_id = await create_user(tx, email, body.name, password)
        await add_member(tx, row["tenant_id"], user_id, Role(row["role"]))
        await audit(
            tx,
            "invite.accepted",
            "invite",
            row["id"],
            user_id=user_id,
            details={"role": row["role"]},
            request_id=request_id,
        )
    return InviteAccepted(tenant=row["slug"], email=email, role=row["role"])


async def _find(resources: Resources, token_hash: str) -> Any:
    async with resources.db.system() as connection:
        row = await connection.fetchrow(_FIND, token_hash)
    if row is None:
        raise LinkNotFound
    return row


async def _lock(session: Session, invite_id: UUID) -> Invite:
    invite = (
        await session.exec(select(Invite).where(col(Invite.id) == invite_id).with_for_update())
    ).one_or_none()
    if invite is None:
        raise NotFound("There is no such invite.")
    return invite


async def _slow_down(resources: Resources, tenant_id: UUID) -> None:
    bucket = Bucket(
        f"{tenant_id}:invites", per_second=INVITES_PER_HOUR / 3600, burst=INVITES_AT_ONCE
    )
    if wait := await resources.limiter.wait_seconds(bucket):
        raise RateLimited("Many invites were sent just now.", retry_after_seconds=wait)


async def _audit(
    session: Session, action: str, invite: Invite, by: Principal, **details: Any
) -> None:
    await audit(
        session,
        action,
        "invite",
        invite.id,
        user_id=by.user_id,
        details=details,
        request_id=by.request_id,
    )


def _is_open() -> tuple[Any, ...]:
    return col(Invite.accepted_at).is_(None), col(Invite.revoked_at).is_(None)


def _public(invite: Invite, now: datetime) -> InvitePublic:
    if invite.accepted_at is not None:
        state = InviteState.ACCEPTED
    elif invite.revoked_at is not None:
        state = InviteState.REVOKED
    else:
        state = InviteState.PENDING if invite.expires_at > now else InviteState.EXPIRED
    return InvitePublic(**invite.model_dump(exclude={"token_hash"}), state=state)
