"""What an operator at a shell does for people: asks them in, helps them in again, puts them out."""

from datetime import datetime
from uuid import UUID

from frontdesk.core import ids
from frontdesk.core.callers import Principal, Role
from frontdesk.core.errors import NotFound
from frontdesk.core.resources import Resources
from frontdesk.identity import invites, resets
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.members import find_admin
from frontdesk.identity.onboarding_schemas import InviteCreate, InvitePublic, ResetRequest
from frontdesk.identity.sessions import act_in, end_sessions
from frontdesk.observability import audit

_SHELL = "shell"
_FIND_MEMBER = """
SELECT u.id FROM app_user u JOIN membership m ON m.user_id = u.id
WHERE m.tenant_id = $1 AND u.email = $2
"""


async def invite_for(
    resources: Resources, tenant_id: UUID, body: InviteCreate, *, admin: str, now: datetime
) -> InvitePublic:
    """Ask an email in, in the name of one of the tenant's admins, whom the e-mail names.

    Raises:
        NotFound: the tenant has no such admin.
        What `invites.create_invite` raises.
    """
    async with resources.db.transaction(tenant_id) as session:
        by = Principal(
            user_id=await find_admin(session, admin),
            tenant_id=tenant_id,
            role=Role.ADMIN,
            session_id=ids.NIL,
            request_id=_SHELL,
        )
        return await invites.create_invite(resources, session, body, by=by, now=now)


async def send_reset(resources: Resources, email: str) -> None:
    """Have a link for a new password sent, as if its owner had asked; an operator learns no secret.

    Raises:
        NoMail: this deployment sends none.
        TooManySignIns: too many were asked for.
    """
    await resets.request_reset(resources, ResetRequest(email=email), address=_SHELL)


async def sign_out_member(resources: Resources, tenant_id: UUID, email: str) -> UUID:
    """End all sessions of a member in this tenant; everywhere within ten seconds. Their id.

    Raises:
        NotFound: the tenant has no such member.
    """
    async with resources.db.system_transaction() as tx:
        user_id: UUID | None = await tx.sql.fetchval(_FIND_MEMBER, tenant_id, email.strip().lower())
        if user_id is None:
            raise NotFound(f"There is no member {email} in this tenant.")
        await end_sessions(tx.sql, tenant_id, user_id)
        await act_in(tx, tenant_id)
        await audit(tx, "member.signed_out", "membership", user_id, details={"by": _SHELL})
    resources.keep(LiveSessions).forget_tenant(tenant_id)
    return user_id
