"""One person behind several contacts: merged, seen as one, and taken apart again.

A merge is a pointer. Rows stay with the contact they were written for, so taking it back leaves
everything as it was; whoever reads follows the pointer. It goes one step: what others were merged
into can't be merged itself.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation.contacts import PERSON, tell_contact
from frontdesk.conversation.errors import CannotMerge
from frontdesk.conversation.happenings import ContactMerged, ContactSeparated
from frontdesk.core.callers import Principal
from frontdesk.core.db import Transaction
from frontdesk.core.errors import NotFound
from frontdesk.observability import audit


async def merge(tx: Transaction, kept_id: UUID, merged_id: UUID, who: Principal) -> None:
    """Say that two contacts are one person, who is shown as `kept_id` from now on.

    Open conversations of both stay open, each with the ids it is reached by.

    Raises:
        NotFound: one of them is not there.
        CannotMerge: they are the same, or one of them is merged into another, or others into the
            second.
    """
    pair = [kept_id, merged_id]
    # Two statements: one that has waited for a lock still sees who kept whom before.
    await tx.sql.execute("SELECT FROM contact WHERE id = ANY ($1) ORDER BY id FOR UPDATE", pair)
    rows = await tx.sql.fetch(
        "SELECT id, merged_into, EXISTS (SELECT FROM contact o WHERE o.merged_into = c.id) AS keeps "
        "FROM contact c WHERE id = ANY ($1)",
        pair,
    )
    found = {row["id"]: row for row in rows}
    if missing := {kept_id, merged_id} - found.keys():
        raise NotFound(f"There is no contact {missing.pop()}.")
    if kept_id == merged_id:
        raise CannotMerge("It is the same contact.")
    if any(row["merged_into"] for row in rows):
        raise CannotMerge("One of them is merged into another already; separate it first.")
    if found[merged_id]["keeps"]:
        raise CannotMerge("Others are merged into the second one: merge the other way round.")
    await tx.sql.execute("UPDATE contact SET merged_into = $2 WHERE id = $1", merged_id, kept_id)
    feed.tell(tx, ContactMerged(contact_id=kept_id, merged_id=merged_id))
    await _audit(tx, "contact.merged", kept_id, who, merged_id=merged_id)


async def separate(tx: Transaction, merged_id: UUID, who: Principal) -> UUID:
    """Take a merge back; the contact it was merged into.

    Raises:
        NotFound: there is no such contact, or it is merged into none.
    """
    kept_id: UUID | None = await tx.sql.fetchval(
        "UPDATE contact c SET merged_into = NULL FROM contact before WHERE c.id = $1 "
        "AND before.tenant_id = c.tenant_id AND before.id = c.id "
        "AND before.merged_into IS NOT NULL RETURNING before.merged_into",
        merged_id,
    )
    if kept_id is None:
        raise NotFound("There is no such contact that is merged into another.")
    feed.tell(tx, ContactSeparated(contact_id=kept_id, merged_id=merged_id))
    await _audit(tx, "contact.separated", kept_id, who, merged_id=merged_id)
    return kept_id


async def person_of(tx: Transaction, contact_id: UUID) -> list[UUID]:
    """All contacts of the person that a contact is, itself among them; none when it is not there."""
    return [row["id"] for row in await tx.sql.fetch(f"{PERSON} ORDER BY p.id", contact_id)]


async def is_opted_out(tx: Transaction, contact_id: UUID) -> bool:
    """Whether a person wants nothing that the business starts: no follow-up, no marketing."""
    found: bool = await tx.sql.fetchval(
        f"SELECT EXISTS (SELECT FROM contact WHERE opted_out_at IS NOT NULL AND id IN ({PERSON}))",  # noqa: S608  # Ours.
        contact_id,
    )
    return found


async def set_opt_out(
    tx: Transaction, contact_id: UUID, who: Principal, *, opted_out: bool
) -> None:
    """Keep what a person wants as they told a human agent, for all of their contacts.

    Raises:
        NotFound: there is no such contact.
    """
    rows = await tx.sql.fetch(
        "UPDATE contact SET opted_out_at = CASE WHEN $2 THEN coalesce(opted_out_at, now()) END "  # noqa: S608  # Ours.
        f"WHERE id IN ({PERSON}) RETURNING *",
        contact_id,
        opted_out,
    )
    if not rows:
        raise NotFound("There is no such contact.")
    for row in rows:
        tell_contact(tx, row)
    action = "contact.opted_out" if opted_out else "contact.opted_in"
    await _audit(tx, action, contact_id, who)


async def list_opted_out(
    tx: Transaction, *, limit: int, before: tuple[datetime, UUID] | None
) -> list[Any]:
    """Contacts that opted out, the latest first, after a place in that list."""
    return list(
        await tx.sql.fetch(
            "SELECT * FROM contact WHERE opted_out_at IS NOT NULL AND ($1::timestamptz IS NULL "
            "OR (opted_out_at, id) < ($1, $2::uuid)) ORDER BY opted_out_at DESC, id DESC LIMIT $3",
            *(before or (None, None)),
            limit,
        )
    )


async def _audit(
    tx: Transaction, action: str, contact_id: UUID, who: Principal, **details: UUID
) -> None:
    await audit(
        tx,
        action,
        "contact",
        contact_id,
        user_id=who.user_id,
        details={name: str(value) for name, value in details.items()},
        request_id=who.request_id,
    )
