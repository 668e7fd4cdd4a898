"""Contacts and their aliases: WhatsApp's ids come, go and change; the contact stays the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation.desk_schemas import AliasPublic, ContactCard, PastConversation
from frontdesk.conversation.happenings import ContactChanged
from frontdesk.conversation.schemas import ContactPublic
from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.json import loads
from frontdesk.messaging import ContactKey


@dataclass(frozen=True)
class KnownContact:
    """A contact as one message needs it."""

    id: UUID
    wa_id: str | None
    bsuid: str | None


# All contacts of the person that the contact `$1` is.
PERSON = """
SELECT p.id FROM contact c JOIN contact p ON p.tenant_id = c.tenant_id
    AND coalesce(c.merged_into, c.id) IN (p.id, p.merged_into)
WHERE c.id = $1
"""
_FIND = """
SELECT a.kind, a.value, c.id, c.wa_id, c.bsuid, c.name, c.username
FROM contact_alias a JOIN contact c ON c.tenant_id = a.tenant_id AND c.id = a.contact_id
WHERE (a.kind = 'bsuid' AND a.value = $1) OR (a.kind = 'wa_id' AND a.value = $2)
ORDER BY a.kind
"""


async def find_contact(tx: Transaction, key: ContactKey) -> KnownContact | None:
    """The contact known under any of these ids, or None."""
    rows = await tx.sql.fetch(_FIND, key.bsuid, key.wa_id)
    return _known(rows[0]) if rows else None


async def find_or_create_contact(
    tx: Transaction, key: ContactKey, *, name: str | None = None, username: str | None = None
) -> KnownContact:
    """The contact known under any of these ids, made when there is none.

    The business-scoped id decides when the two ids belong to different contacts: a phone number
    passes from one person to the next. New ids and names are kept.
    """
    rows = await tx.sql.fetch(_FIND, key.bsuid, key.wa_id)
    if not rows:
        # Two workers may meet a new contact at once; the locks make the second one find it, also
        # when it is told another of its ids, or fewer. Always in this order.
        await tx.sql.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(id, 0)) FROM unnest($1::text[]) AS id",
            [f"contact:{tx.tenant_id}:{text}" for text in (key.wa_id, key.bsuid) if text],
        )
        rows = await tx.sql.fetch(_FIND, key.bsuid, key.wa_id)
    if not rows:
        return await _create(tx, key, name, username)
    row = rows[0]  # `bsuid` sorts before `wa_id`.
    contact = _known(row)
    seen = {(r["kind"], r["value"]) for r in rows}
    news = [
        (kind, value)
        for kind, value in (("bsuid", key.bsuid), ("wa_id", key.wa_id))
        if value and (kind, value) not in seen
    ]
    if news or (name and name != row["name"]) or (username and username != row["username"]):
        await _learn(tx, contact.id, news, name, username)
        return KnownContact(contact.id, key.wa_id or contact.wa_id, key.bsuid or contact.bsuid)
    return contact


async def get_contact_card(tx: Transaction, contact_id: UUID) -> ContactCard:
    """A person: every id they were seen under, their newest fifty conversations, the tenant's fields.

    Raises:
        NotFound: there is no such contact.
    """
    rows = await tx.sql.fetch(
        f"SELECT * FROM contact WHERE id IN ({PERSON}) ORDER BY merged_into IS NOT NULL, id",  # noqa: S608  # Ours.
        contact_id,
    )
    if not rows:
        raise NotFound("There is no such contact.")
    everyone = [row["id"] for row in rows]
    aliases = await tx.sql.fetch(
        "SELECT kind, value FROM contact_alias WHERE contact_id = ANY($1) ORDER BY kind, value",
        everyone,
    )
    conversations = await tx.sql.fetch(
        "SELECT id, contact_id, channel_id, status, last_text, last_activity_at, close_reason, "
        "created_at FROM conversation WHERE contact_id = ANY($1) ORDER BY id DESC LIMIT 50",
        everyone,
    )
    shown, *merged = rows
    opted_out = [row["opted_out_at"] for row in rows if row["opted_out_at"]]
    fields: dict[str, Any] = {}
    for row in reversed(rows):  # What stands with the contact that is shown counts more.
        fields |= loads(row["fields"])
    return ContactCard(
        **{**shown, "fields": fields, "opted_out_at": min(opted_out, default=None)},
        aliases=[AliasPublic(**alias) for alias in aliases],
        merged=[ContactPublic(**row) for row in merged],
        conversations=[PastConversation(**row) for row in conversations],
    )


async def move_alias(tx: Transaction, old: ContactKey, new: ContactKey) -> UUID | None:
    """The person behind `old` is now `new`; the contact's id, or None when nobody is known.

    WhatsApp tells this once per change; told again, it changes nothing.
    """
    contact = await find_contact(tx, old)
    if contact is None:
        return None
    news = [(k, v) for k, v in (("bsuid", new.bsuid), ("wa_id", new.wa_id)) if v]
    await _learn(tx, contact.id, news, None, None, move=True)
    return contact.id


async def _create(
    tx: Transaction, key: ContactKey, name: str | None, username: str | None
) -> KnownContact:
    contact_id = ids.new()
    await tx.sql.execute(
        "INSERT INTO contact (id, wa_id, bsuid, name, username) VALUES ($1, $2, $3, $4, $5)",
        contact_id,
        key.wa_id,
        key.bsuid,
        name,
        username,
    )
    await _add_aliases(
        tx, contact_id, [(k, v) for k, v in (("bsuid", key.bsuid), ("wa_id", key.wa_id)) if v]
    )
    return KnownContact(contact_id, key.wa_id, key.bsuid)


async def _add_aliases(
    tx: Transaction, contact_id: UUID, aliases: Sequence[tuple[str, str]], *, move: bool = False
) -> None:
    clash = "DO UPDATE SET contact_id = excluded.contact_id" if move else "DO NOTHING"
    for kind, value in aliases:
        await tx.sql.execute(
            "INSERT INTO contact_alias (kind, value, contact_id) VALUES ($1, $2, $3) "  # noqa: S608  # One of our two words.
            f"ON CONFLICT (tenant_id, kind, value) {clash}",
            kind,
            value,
            contact_id,
        )


async def _learn(
    tx: Transaction,
    contact_id: UUID,
    aliases: list[tuple[str, str]],
    name: str | None,
    username: str | None,
    *,
    move: bool = False,
) -> None:
    await _add_aliases(tx, contact_id, aliases, move=move)
    known = dict(aliases)
    row = await tx.sql.fetchrow(
        "UPDATE contact SET wa_id = coalesce($2, wa_id), bsuid = coalesce($3, bsuid), "
        "name = coalesce($4, name), username = coalesce($5, username) WHERE id = $1 RETURNING *",
        contact_id,
        known.get("wa_id"),
        known.get("bsuid"),
        name,
        username,
    )
    tell_contact(tx, row)


def tell_contact(tx: Transaction, row: Any) -> None:
    """Put on the feed what a statement that returned it has made of a contact."""
    contact = ContactPublic(**row)
    feed.tell(tx, ContactChanged(contact_id=contact.id, contact=contact))


async def opt_out(tx: Transaction, contact_id: UUID, at: datetime | None) -> None:
    """Keep since when a contact wants no messages the business starts; None: wants them again."""
    row = await tx.sql.fetchrow(
        "UPDATE contact SET opted_out_at = $2 WHERE id = $1 RETURNING *", contact_id, at
    )
    if row is not None:
        tell_contact(tx, row)


def _known(row: Any) -> KnownContact:
    return KnownContact(row["id"], row["wa_id"], row["bsuid"])
