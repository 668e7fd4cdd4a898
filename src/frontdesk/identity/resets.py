"""Forgotten passwords: a link by e-mail, good once and for thirty minutes. As the system role."""

import hashlib
from datetime import timedelta

from frontdesk.core.mail import Mail
from frontdesk.core.resources import Resources
from frontdesk.identity import throttle
from frontdesk.identity.links import (
    audit_everywhere,
    end_all_sessions,
    hash_token,
    link_to,
    new_token,
)
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.onboarding_errors import LinkNotFound
from frontdesk.identity.onboarding_models import MailKind
from frontdesk.identity.onboarding_schemas import ResetRequest, ResetUse
from frontdesk.identity.outbox import Letter, queue_mail, require_mail
from frontdesk.identity.passwords import hash_new_password
from frontdesk.identity.rules import Patience

RESET_MINUTES = 30
# Counted apart from failed sign-ins, or asking for links would lock an owner out. Each request
# counts, whether or not there is such an account.
PER_MAILBOX = Patience(
    free_failures=4, longest_wait_seconds=900, forgotten_after=timedelta(hours=1)
)
PER_ADDRESS = Patience(
    free_failures=20, longest_wait_seconds=900, forgotten_after=timedelta(hours=1)
)

_STORE = """
INSERT INTO password_reset (user_id, token_hash, expires_at)
SELECT id, $2, now() + make_interval(mins => $3) FROM app_user
 WHERE email = $1 AND disabled_at IS NULL
ON CONFLICT (user_id) DO UPDATE SET token_hash = $2, expires_at = excluded.expires_at
RETURNING user_id
"""
_FIND = """
SELECT u.email FROM password_reset r JOIN app_user u ON u.id = r.user_id
 WHERE r.token_hash = $1 AND r.expires_at > now() AND u.disabled_at IS NULL
"""
# One of two who use a link at once gets the row.
_USE = "DELETE FROM password_reset WHERE token_hash = $1 AND expires_at > now() RETURNING user_id"
_SET_PASSWORD = "UPDATE app_user SET password_hash = $2 WHERE id = $1"  # noqa: S105  # No password.


async def request_reset(resources: Resources, body: ResetRequest, *, address: str) -> None:
    """Have a reset link sent to this email if it has an account.

    The account is looked for when the e-mail is written, so that nothing here depends on it.

    Raises:
        NoMail: this deployment sends none.
        TooManySignIns: too many were asked for, for this email or from this address.
    """
    require_mail(resources.settings)
    async with resources.db.system_transaction() as tx:
        await throttle.count_attempt(tx, _keys(body.email, address))
        await queue_mail(tx, MailKind.RESET, body.email)


async def write_reset(resources: Resources, letter: Letter) -> Mail | None:
    """The e-mail with a fresh link, which replaces older ones; None when there is no account."""
    token = new_token()
    async with resources.db.system_transaction() as tx:
        if not await tx.sql.fetchval(_STORE, letter.address, hash_token(token), RESET_MINUTES):
            return None
    return Mail(
        letter.address,
        "Choose a new password for Frontdesk",
        "Somebody asked for a new password for the Frontdesk account of this address.\n\n"
        f"To choose one, open this link within {RESET_MINUTES} minutes. It works once:\n\n"
        f"{link_to(resources.settings, 'reset-password', token)}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n",
    )


async def use_reset(resources: Resources, body: ResetUse, *, address: str, request_id: str) -> None:
    """Give the account of this link a new password, and end all its sessions in every tenant.

    An authenticator app is asked for as before: the mailbox alone does not open such an account.

    Raises:
        LinkNotFound: used, too old, replaced, or never ours.
        WeakPassword: the password breaks a rule; the link still works.
    """
    token_hash = hash_token(body.token.get_secret_value())
    async with resources.db.system() as connection:
        email = await connection.fetchval(_FIND, token_hash)
    if email is None:
        raise LinkNotFound
    password_hash = await hash_new_password(body.new_password.get_secret_value(), email=email)
    async with resources.db.system_transaction() as tx:
        user_id = await tx.sql.fetchval(_USE, token_hash)
        if user_id is None:
            raise LinkNotFound
        await tx.sql.execute(_SET_PASSWORD, user_id, password_hash)
        await end_all_sessions(tx, user_id)
        # Whoever forgot it has guessed, and need not wait for that.
        await throttle.forgive(tx, throttle.keys_of(email, address))
        await audit_everywhere(tx, user_id, "user.password_reset", request_id=request_id)
        await queue_mail(tx, MailKind.PASSWORD_CHANGED, email)
    resources.keep(LiveSessions).forget_user(user_id)


def _keys(email: str, address: str) -> throttle.Keys:
    mailbox = hashlib.sha256(email.encode()).hexdigest()[:32]
    _, (network, _) = throttle.keys_of(email, address)
    return ((f"reset:{mailbox}", PER_MAILBOX), (f"reset:{network}", PER_ADDRESS))
