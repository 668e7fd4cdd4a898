"""What a table holds of a person: how a contact's rows are found, and what is left of them erased.

Each context says it of its own tables; `privacy` exports and erases by it. A table that nobody
speaks of holds nothing of contacts: it is exported with the tenant, and emptied with the tenant.
"""

from dataclasses import dataclass

# Rows that hang on a contact's conversations, for `Holding.of_contact`.
OF_THREADS = "conversation_id IN (SELECT id FROM conversation WHERE contact_id = $1)"
KEEP = "KEEP"
DELETE = "DELETE"


@dataclass(frozen=True)
class Holding:
    """A tenant table that holds something of contacts, or that outlives its tenant's erasure.

    Attributes:
        table: its name; the primary key begins with `tenant_id`.
        of_contact: a condition for a contact's rows: `$1` is the contact's id, `$2` a regular
            expression that finds any of its identifiers. None: nothing in it is one contact's.
        erase: what becomes of such rows: `DELETE`, `KEEP` (nothing in them is personal) or an
            assignment list. Safe to repeat.
        erase_with_tenant: the same for all rows when the whole tenant is erased; None: as `erase`.
    """

    table: str
    of_contact: str | None = None
    erase: str = DELETE
    erase_with_tenant: str | None = None
