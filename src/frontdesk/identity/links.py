"""Links that let somebody in: 256 random bits, known to us by their hash only."""

import hashlib
import secrets
from uuid import UUID

from frontdesk.core.db import Transaction
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.identity import throttle
from frontdesk.identity.errors import WrongCredentials
from frontdesk.identity.passwords import verify_password
from frontdesk.identity.sessions import act_in
from frontdesk.observability import audit

_TENANTS_OF = """
SELECT tenant_id FROM membership WHERE user_id = $1 AND disabled_at IS NULL ORDER BY tenant_id
"""


def new_token() -> str:
    """A fresh token for a link."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is stored of a token: it has more randomness than anybody could try, so no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def link_to(settings: Settings, page: str, token: str) -> str:
    """The address that goes into an e-mail.

    The token stands behind the #: browsers send that to nobody, so it is in no server's log.
    """
    return f"{settings.web.public_url.rstrip('/')}/{page}#token={token}"


async def prove_password(
    resources: Resources, *, email: str, stored: str, password: str, address: str
) -> None:
    """Check the password of an account under the brake that signing in has.

    Raises:
        WrongCredentials: it is another one.
        TooManySignIns: too many attempts have failed; it takes a wait.
    """
    keys = throttle.keys_of(email, address)
    async with resources.db.system_transaction() as tx:
        await throttle.count_attempt(tx, keys)
    matches, _ = await verify_password(password, stored)
    if not matches:
        raise WrongCredentials
    async with resources.db.system_transaction() as tx:
        await throttle.forgive(tx, keys)


async def end_all_sessions(tx: Transaction, user_id: UUID) -> None:
    """End every session of a user, in every tenant, in a system transaction."""
    await tx.sql.execute(
        "UPDATE user_session SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL",
        user_id,
    )


async def audit_everywhere(
    tx: Transaction, user_id: UUID, action: str, *, by: UUID | None = None, request_id: str
) -> None:
    """Write what was done to an account into the audit log of each tenant of its user.

    Args:
        by: who did it; else the user.
    """
    for row in await tx.sql.fetch(_TENANTS_OF, user_id):
        await act_in(tx, row["tenant_id"])
        await audit(
            tx,
            action,
            "app_user",
            user_id,
            user_id=by or user_id,
            request_id=request_id,
        )
