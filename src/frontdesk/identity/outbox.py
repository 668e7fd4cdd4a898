"""E-mails that wait to be written and sent: each row is due work until it is sent or given up.

A row holds no text. The link in an e-mail is made when it is sent, so that nothing at rest lets
anybody in, and asking for a reset costs the same whether or not the account exists.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import structlog

from frontdesk.core import ids
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import Conflict, Unavailable
from frontdesk.core.mail import Mail, MailRefused, can_send, send_mail
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.identity.onboarding_models import Delivery, MailKind

log = structlog.get_logger(__name__)

MAIL = "identity.mail"
# A minute after the first failure, then doubling: about four hours in all.
MAX_ATTEMPTS = 8
_FIRST_PAUSE_SECONDS = 60
# Longer than the steps of an SMTP conversation may take together.
LEASE_SECONDS = 600

_INSERT = "INSERT INTO outgoing_mail (id, kind, address, subject_id) VALUES ($1, $2, $3, $4)"
_LIST = """
SELECT id FROM outgoing_mail WHERE dead_at IS NULL AND due_at <= now() ORDER BY due_at LIMIT $1
"""
# The attempt's number is the fence: whoever comes back with an older one has lost the row.
_CLAIM = """
UPDATE outgoing_mail SET attempts = attempts + 1, due_at = now() + make_interval(secs => $2)
 WHERE id = $1 AND dead_at IS NULL AND due_at <= now()
RETURNING id, kind, address, subject_id, attempts, last_error
"""
_DONE = "DELETE FROM outgoing_mail WHERE id = $1 AND attempts = $2 RETURNING id"
_PUT_OFF = """
UPDATE outgoing_mail SET due_at = now() + make_interval(secs => $3), last_error = $4
 WHERE id = $1 AND attempts = $2 RETURNING id
"""
_BURY = """
UPDATE outgoing_mail SET dead_at = now(), last_error = $3
 WHERE id = $1 AND attempts = $2 RETURNING id
"""
_FORGET = "DELETE FROM outgoing_mail WHERE dead_at < now() - make_interval(days => 30)"
_TELL_INVITE = "UPDATE invite SET delivery = $2 WHERE id = $1"


class NoMail(Conflict):
    """This deployment has no way to send e-mail."""

    code, title = "mail_not_set_up", "This deployment sends no e-mail"


@dataclass(frozen=True)
class Letter:
    """An e-mail to write: what about, and to whom."""

    id: UUID
    kind: MailKind
    address: str
    subject_id: UUID | None


# Writes a letter, and stores the hash of the link in it; None when there is nothing to say any more.
Write: TypeAlias = Callable[[Resources, Letter], Awaitable[Mail | None]]


def require_mail(settings: Settings) -> None:
    """Refuse what needs an e-mail where none can be sent.

    Raises:
        NoMail: neither a server nor a folder is set.
    """
    if not can_send(settings.mail):
        raise NoMail("Set MAIL__SMTP_HOST, or MAIL__OUTBOX_FOLDER while developing.")


async def queue_mail(
    tx: Transaction, kind: MailKind, address: str, subject_id: UUID | None = None
) -> None:
    """Have an e-mail written and sent once this system transaction has committed."""
    mail_id = ids.new()
    await tx.sql.execute(_INSERT, mail_id, kind.value, address, subject_id)
    tx.after_commit(lambda: tx.db.bell.ring(MAIL, ids.NIL, mail_id))


async def list_due_mail(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """E-mails that are due; they belong to no tenant."""
    return [(ids.NIL, row["id"]) for row in await connection.fetch(_LIST, limit)]


async def deliver(resources: Resources, mail_id: UUID, writers: Mapping[MailKind, Write]) -> None:
    """Write an e-mail and send it, or put it off, or give it up.

    Run twice at once, the second run finds it claimed. After a crash it is written anew with another
    link: of two e-mails that arrive, the link in the newer one works.
    """
    async with resources.db.system() as connection:
        row = await connection.fetchrow(_CLAIM, mail_id, float(LEASE_SECONDS))
    if row is None:
        return
    attempt: int = row["attempts"]
    letter = Letter(row["id"], MailKind(row["kind"]), row["address"], row["subject_id"])
    if attempt > MAX_ATTEMPTS:
        # Its attempts ended without a word: workers died of it, or a bug did.
        await _give_up(resources, letter, attempt, row["last_error"] or "no attempt ended")
        return
    mail = await writers[letter.kind](resources, letter)
    if mail is None:
        await _finish(resources, letter, None, _DONE, attempt)
        return
    try:
        await send_mail(resources.settings.mail, mail, message_id=f"{letter.id}.{attempt}")
    except MailRefused as error:
        await _give_up(resources, letter, attempt, str(error))
    except Unavailable as error:
        if attempt >= MAX_ATTEMPTS:
            await _give_up(resources, letter, attempt, str(error))
            return
        pause = _FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1)
        log.warning("mail_put_off", mail_id=str(letter.id), kind=letter.kind, error=str(error))
        await _finish(resources, letter, None, _PUT_OFF, attempt, pause, str(error))
    else:
        await _finish(resources, letter, Delivery.SENT, _DONE, attempt)


async def _give_up(resources: Resources, letter: Letter, attempt: int, error: str) -> None:
    log.error("mail_given_up", mail_id=str(letter.id), kind=letter.kind, error=error)
    await _finish(resources, letter, Delivery.FAILED, _BURY, attempt, error)
    async with resources.db.system() as connection:
        await connection.execute(_FORGET)


async def _finish(
    resources: Resources,
    letter: Letter,
    delivery: Delivery | None,
    statement: str,
    attempt: int,
    *values: object,
) -> None:
    async with resources.db.system_transaction() as tx:
        ours = await tx.sql.fetchval(statement, letter.id, attempt, *values)
        if ours and delivery and letter.kind is MailKind.INVITE:
            await tx.sql.execute(_TELL_INVITE, letter.subject_id, delivery.value)
