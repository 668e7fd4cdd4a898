"""A webhook body in, everything that happened out; see `incoming_items` for what can happen."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NoReturn

from frontdesk.messaging.incoming_account import ACCOUNT_FIELDS, read_account_event
from frontdesk.messaging.incoming_coexistence import read_contact_sync, read_echo, read_history
from frontdesk.messaging.incoming_items import Item, Origin, ParsedWebhook, Unknown
from frontdesk.messaging.incoming_messages import read_message, read_user_id_update
from frontdesk.messaging.incoming_people import People
from frontdesk.messaging.incoming_reading import (
    identifier,
    listed,
    mapping,
    moment,
    phone,
    storable,
    text,
)
from frontdesk.messaging.incoming_statuses import (
    read_call,
    read_error,
    read_preference,
    read_status,
)
from frontdesk.messaging.incoming_templates import is_template_event, read_template_event

# The lists that a change may hold. Several may stand side by side, so they are found by their
# own name and not by the name of the field.
_LISTS: dict[str, Callable[[Origin, dict[str, Any], People], Iterator[Item]]] = {
    "messages": read_message,
    "message_echoes": read_echo,
    "history": read_history,
    "statuses": read_status,
    "errors": read_error,
    "state_sync": read_contact_sync,
    "user_preferences": read_preference,
    "user_id_update": read_user_id_update,
    "calls": read_call,
}
_ABOUT_THE_CHANGE = frozenset({"messaging_product", "metadata", "contacts"})


def parse_webhook(body: bytes) -> ParsedWebhook:
    """Everything that a webhook body says, in its order. Never raises.

    What can't be understood becomes an `Unknown` with its reason and its raw part, so one bad
    item never costs the others. Only a body that is no webhook at all gives `unreadable`: not
    JSON, NaN, nested too deep, a number of thousands of digits. Texts are clean and every `raw`
    can be stored as jsonb.
    """
    try:
        payload = storable(json.loads(body, parse_constant=_refuse))
    except RecursionError:
        return ParsedWebhook(unreadable="nested too deep")
    except ValueError as error:
        # The message of the error could quote the body; its type says enough.
        return ParsedWebhook(unreadable=f"not JSON: {type(error).__name__}")
    if not isinstance(payload, dict):
        return ParsedWebhook(unreadable="not a JSON object")
    if "entry" not in payload:
        return ParsedWebhook(unreadable="without entry")
    return ParsedWebhook(items=tuple(_payload_items(payload)))


def _refuse(constant: str) -> NoReturn:
    # NaN and Infinity are not JSON, and Postgres does not take them.
    raise ValueError(constant)


def _payload_items(payload: dict[str, Any]) -> Iterator[Item]:
    start = Origin(
        field="",
        position="",
        phone_number_id=None,
        waba_id=None,
        display_phone_number=None,
        raw=payload,
    )
    product = payload.get("object", "whatsapp_business_account")
    if product != "whatsapp_business_account":
        yield Unknown(origin=start.at("object", payload), reason=f"object {text(product)[:50]!r}")
        return
    for number, entry in enumerate(listed(payload["entry"])):
        place = start.at(f"entry[{number}]", entry)
        changes = listed(mapping(entry).get("changes"))
        if not changes:
            yield Unknown(origin=place, reason="an entry without changes")
        for index, change in enumerate(changes):
            yield from _change_items(place.at(f"changes[{index}]", change), mapping(entry), change)


def _change_items(place: Origin, entry: dict[str, Any], change: object) -> Iterator[Item]:
    field = text(mapping(change).get("field"))[:100]
    value = mapping(change).get("value")
    metadata = mapping(mapping(value).get("metadata"))
    origin = Origin(
        field=field,
        position=place.position,
        phone_number_id=identifier(metadata.get("phone_number_id")),
        waba_id=identifier(entry.get("id")),
        display_phone_number=phone(metadata.get("display_phone_number")),
        raw=place.raw,
    )
    if not isinstance(value, dict):
        yield Unknown(origin=origin, reason=f"field {field!r} without a value")
        return
    at = moment(entry.get("time"))
    if is_template_event(field, value):
        yield from _guarded(origin, partial(read_template_event, origin, value, at))
    elif field in ACCOUNT_FIELDS:
        yield from _guarded(origin, partial(read_account_event, origin, value, at))
    else:
        yield from _listed_items(origin, value)


def _listed_items(origin: Origin, value: dict[str, Any]) -> Iterator[Item]:
    people = People(value.get("contacts"))
    is_empty = True
    for key, parts in value.items():
        if key in _ABOUT_THE_CHANGE or not (key in _LISTS or isinstance(parts, list)):
            continue
        for number, part in enumerate(listed(parts)):
            is_empty = False
            place = origin.at(f"{key[:100]}[{number}]", part)
            read = _LISTS.get(key)
            if read is None:
                reason = f"{origin.field}.{key[:100]} is not handled"
                yield Unknown(origin=place, reason=reason)
            elif isinstance(part, dict):
                yield from _guarded(place, partial(read, place, part, people))
            else:
                yield Unknown(origin=place, reason=f"an entry of {key} that is no object")
    if is_empty:
        yield Unknown(origin=origin, reason=f"field {origin.field!r} with nothing we handle")


def _guarded(origin: Origin, read: Callable[[], Iterator[Item]]) -> list[Item]:
    """The items that `read` finds, or one Unknown: a shape nobody thought of costs itself only."""
    try:
        return list(read()) or [Unknown(origin=origin, reason="nothing in it")]
    except Exception as error:  # Whatever it is, the other items of the body must get through.
        return [Unknown(origin=origin, reason=f"could not be read: {type(error).__name__}")]
