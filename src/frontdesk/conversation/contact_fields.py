"""Fields that a tenant keeps of its contacts beside what WhatsApp tells, and their values."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation.errors import FieldInUse
from frontdesk.conversation.happenings import ContactFieldsChanged
from frontdesk.conversation.models import FieldType
from frontdesk.core.callers import Principal
from frontdesk.core.db import Transaction
from frontdesk.core.errors import Conflict, Invalid, NotFound
from frontdesk.core.json import dumps, loads
from frontdesk.core.text import clean
from frontdesk.observability import audit

MOST_FIELDS = 50
MOST_CHARACTERS = 500
LARGEST_NUMBER = 10**15  # Every client reads it as it is written.


def fitting(field_type: FieldType, choices: list[str], value: Any) -> str | int | float:
    """A value as it is kept; raises `ValueError` with what is wrong with it."""
    match field_type, value:
        case FieldType.NUMBER, bool():
            raise ValueError("must be a number")
        case FieldType.NUMBER, int() | float() if abs(value) <= LARGEST_NUMBER:
            return value
        case FieldType.NUMBER, _:
            raise ValueError(f"must be a number of at most {LARGEST_NUMBER}")
        case _, str():
            text = clean(value).strip()
        case _:
            raise ValueError("must be text")
    if not text or len(text) > MOST_CHARACTERS:
        raise ValueError(f"must have 1 to {MOST_CHARACTERS} characters")
    if field_type is FieldType.DATE:
        return date.fromisoformat(text).isoformat()
    if field_type is FieldType.CHOICE and text not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}")
    return text


async def list_fields(tx: Transaction) -> list[Any]:
    """The fields of the tenant, by name."""
    return list(await tx.sql.fetch("SELECT * FROM contact_field ORDER BY name"))


async def define_field(
    tx: Transaction, name: str, field_type: FieldType, choices: list[str], who: Principal
) -> Any:
    """Add a field, or give one other choices.

    Raises:
        FieldInUse: it is there with another type: values would no longer fit.
        Conflict: there are as many as may be.
    """
    row = await tx.sql.fetchrow(
        "INSERT INTO contact_field AS f (name, type, choices) "
        "SELECT $1, $2, $3 WHERE $1 IN (SELECT name FROM contact_field) "
        "OR (SELECT count(*) FROM contact_field) < $4 "
        "ON CONFLICT (tenant_id, name) DO UPDATE SET choices = excluded.choices "
        "WHERE f.type = excluded.type RETURNING *",
        name,
        field_type,
        choices,
        MOST_FIELDS,
    )
    if row is None:
        if await tx.sql.fetchval("SELECT 1 FROM contact_field WHERE name = $1", name):
            raise FieldInUse(f"{name} is a field of another type; delete it first.")
        raise Conflict(f"There are {MOST_FIELDS} fields already.")
    await _audit(tx, "contact_field.defined", name, who, type=field_type, choices=choices)
    return row


async def delete_field(tx: Transaction, name: str, who: Principal) -> None:
    """Let a field go with what it held of every contact; raises `NotFound`."""
    gone = await tx.sql.fetchval("DELETE FROM contact_field WHERE name = $1 RETURNING 1", name)
    if gone is None:
        raise NotFound(f"There is no field {name}.")
    await tx.sql.execute("UPDATE contact SET fields = fields - $1 WHERE fields ? $1", name)
    await _audit(tx, "contact_field.deleted", name, who)


async def set_values(
    tx: Transaction, contact_id: UUID, values: Mapping[str, Any], who: Principal
) -> None:
    """Keep values of a contact; null empties a field, and those not named stay.

    Raises:
        NotFound: there is no such contact.
        Invalid: there is no such field, or a value does not fit it.
    """
    known = {row["name"]: row for row in await list_fields(tx)}
    kept, emptied = {}, []
    for name, value in values.items():
        if name not in known:
            raise Invalid(f"There is no field {name}.")
        if value is None:
            emptied.append(name)
            continue
        field = known[name]
        try:
            kept[name] = fitting(FieldType(field["type"]), field["choices"], value)
        except ValueError as error:
            raise Invalid(f"{name}: {error}.") from None
    fields = await tx.sql.fetchval(
        "UPDATE contact SET fields = (fields || $2::jsonb) - $3::text[] WHERE id = $1 "
        "RETURNING fields",
        contact_id,
        dumps(kept),
        emptied,
    )
    if fields is None:
        raise NotFound("There is no such contact.")
    feed.tell(tx, ContactFieldsChanged(contact_id=contact_id, fields=loads(fields)))
    await audit(
        tx,
        "contact.fields_set",
        "contact",
        contact_id,
        user_id=who.user_id,
        # Their names alone: values are the contact's own.
        details={"fields": sorted(values)},
        request_id=who.request_id,
    )


async def _audit(tx: Transaction, action: str, name: str, who: Principal, **details: Any) -> None:
    await audit(
        tx,
        action,
        "contact_field",
        name,
        user_id=who.user_id,
        details=details,
        request_id=who.request_id,
    )
