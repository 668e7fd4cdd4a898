"""Due work of identity: e-mails to send, and sign-ins that ended long ago."""

from collections.abc import Sequence
from uuid import UUID

from frontdesk.core.db import Connection
from frontdesk.core.ids import NIL
from frontdesk.core.resources import Resources
from frontdesk.core.work import Due
from frontdesk.identity import invites, notices, outbox, resets
from frontdesk.identity.accounts import prune_sign_ins
from frontdesk.identity.onboarding_models import MailKind


async def _list_prunable(connection: Connection, _limit: int) -> Sequence[tuple[UUID, UUID]]:
    found = await connection.fetchval(
        "SELECT 1 FROM user_session WHERE least(expires_at, revoked_at) < now() - interval "
        "'31 days' UNION ALL SELECT 1 FROM login_throttle WHERE updated_at < now() - interval "
        "'2 days' LIMIT 1"
    )
    return [(NIL, NIL)] if found else []


async def prune(resources: Resources, _tenant_id: UUID, _row_id: UUID) -> None:
    """Forget sign-ins nobody needs any more. Run twice, the second run finds nothing left."""
    async with resources.db.system() as connection:
        await prune_sign_ins(connection)


PRUNE = Due(
    kind="identity.prune", list_ids=_list_prunable, handle=prune, at_once=1, sweep_seconds=600
)

_WRITERS = {
    MailKind.INVITE: invites.write_invite,
    MailKind.RESET: resets.write_reset,
    MailKind.PASSWORD_CHANGED: notices.write_notice,
    MailKind.SECOND_FACTOR_ON: notices.write_notice,
    MailKind.SECOND_FACTOR_OFF: notices.write_notice,
}


async def send_mail(resources: Resources, _tenant_id: UUID, mail_id: UUID) -> None:
    """Write an e-mail and send it; how it copes with running twice says `outbox.deliver`."""
    await outbox.deliver(resources, mail_id, _WRITERS)


SEND_MAIL = Due(
    kind=outbox.MAIL,
    list_ids=outbox.list_due_mail,
    handle=send_mail,
    at_once=4,
    tenant_at_once=4,
    sweep_seconds=5,
)
