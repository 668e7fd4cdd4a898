"""Who a contact is: everything WhatsApp has ever named them by."""

from dataclasses import dataclass
from uuid import UUID

from frontdesk.core.db import Transaction
from frontdesk.messaging import pattern_of
from frontdesk.privacy.errors import NoSuchContact

# Nothing matches it: of a contact that is known by nothing, nothing can be found.
_NOBODY = "(?!a)a"


@dataclass(frozen=True)
class Identifiers:
    """What names a contact. Names are not among it: others bear them as well."""

    phone_numbers: tuple[str, ...]
    user_ids: tuple[str, ...]
    usernames: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """A regular expression, for Postgres and Python, that finds any of them."""
        # A bare username may be anybody's word; written with its @ it is this person's.
        names = (*self.user_ids, *(f"@{name}" for name in self.usernames))
        return pattern_of(self.phone_numbers, names) if self.phone_numbers or names else _NOBODY

    @property
    def ids(self) -> tuple[str, ...]:
        """Those that WhatsApp's webhooks name people by."""
        return (*self.phone_numbers, *self.user_ids)


async def must_exist(tx: Transaction, contact_id: UUID) -> None:
    """Raises `NoSuchContact` when the tenant has no such contact."""
    if await tx.sql.fetchval("SELECT 1 FROM contact WHERE id = $1", contact_id) is None:
        raise NoSuchContact(f"There is no contact {contact_id}.")


async def identifiers_of(tx: Transaction, contact_id: UUID) -> Identifiers:
    """All that names a contact, also what it was known by before; nothing once it is erased."""
    rows = await tx.sql.fetch(
        "SELECT kind, value FROM contact_alias WHERE contact_id = $1 "
        "UNION SELECT 'wa_id', wa_id FROM contact WHERE id = $1 AND wa_id IS NOT NULL "
        "UNION SELECT 'bsuid', bsuid FROM contact WHERE id = $1 AND bsuid NOT LIKE 'erased:%' "
        "UNION SELECT 'username', username FROM contact WHERE id = $1 AND username IS NOT NULL "
        "ORDER BY 1, 2",
        contact_id,
    )
    of: dict[str, list[str]] = {"wa_id": [], "bsuid": [], "username": []}
    for row in rows:
        of[row["kind"]].append(row["value"])
    return Identifiers(tuple(of["wa_id"]), tuple(of["bsuid"]), tuple(of["username"]))


async def pattern_of_contact(tx: Transaction, contact_id: UUID) -> str:
    """A regular expression that finds a contact in a text."""
    return (await identifiers_of(tx, contact_id)).pattern
