"""Failed sign-ins, counted in Postgres so that the brake holds without Redis."""

import hashlib
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address

from frontdesk.core.db import Transaction
from frontdesk.identity.errors import TooManySignIns
from frontdesk.identity.rules import (
    PER_ACCOUNT,
    PER_ADDRESS,
    Attempts,
    Patience,
    after_attempt,
    wait_seconds,
)

# The update that changes nothing takes the row's lock, so attempts at once are counted in turn.
_LOCK = """
INSERT INTO login_throttle AS t (key, failures) VALUES ($1, 0)
ON CONFLICT (key) DO UPDATE SET key = excluded.key
RETURNING t.failures, t.updated_at, t.blocked_until, now() AS now
"""
_WRITE = """
UPDATE login_throttle SET failures = $2, updated_at = $3, blocked_until = $4 WHERE key = $1
"""
_FORGIVE_ACCOUNT = "DELETE FROM login_throttle WHERE key = $1"
_FORGIVE_ADDRESS = """
UPDATE login_throttle SET failures = greatest(0, failures - 1), blocked_until = NULL
 WHERE key = $1
"""

Keys = Sequence[tuple[str, Patience]]


def keys_of(email: str, address: str) -> Keys:
    """What an attempt is counted under: the account, whether it exists or not, and the address."""
    # Hashed: people type passwords into the wrong field, and those should not lie in a table.
    account = hashlib.sha256(email.encode()).hexdigest()[:32]
    # Always in this order, so that two attempts can't wait for each other's locks.
    return ((f"account:{account}", PER_ACCOUNT), (f"address:{subscriber_of(address)}", PER_ADDRESS))


async def count_attempt(tx: Transaction, keys: Keys) -> None:
    """Count an attempt before its password is looked at.

    Raises:
        TooManySignIns: the account or the address has to wait; nothing was counted.
    """
    for key, patience in keys:
        row = await tx.sql.fetchrow(_LOCK, key)
        assert row is not None
        attempts = Attempts(row["failures"], row["updated_at"], row["blocked_until"])
        if wait := wait_seconds(attempts, row["now"]):
            raise TooManySignIns("Wait a little and try again.", retry_after_seconds=wait)
        counted = after_attempt(attempts, patience, row["now"])
        await tx.sql.execute(
            _WRITE, key, counted.failures, counted.updated_at, counted.blocked_until
        )


async def forgive(tx: Transaction, keys: Keys) -> None:
    """Take an attempt back whose password was right.

    The account starts anew. The address only gets this attempt back: otherwise an account of
    one's own would reset the brake on guessing those of others.
    """
    (account, _), (address, _) = keys
    await tx.sql.execute(_FORGIVE_ACCOUNT, account)
    await tx.sql.execute(_FORGIVE_ADDRESS, address)


def subscriber_of(address: str) -> str:
    """Whose address this is, as far as can be told: what one subscriber has counts as one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        # One subscriber gets a /64 and could guess from each of its addresses.
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
