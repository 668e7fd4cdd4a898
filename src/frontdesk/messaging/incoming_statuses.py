"""What became of what we sent, and the other short notices about one contact."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from frontdesk.messaging.incoming_items import (
    CallEvent,
    Item,
    Origin,
    OutOfBandError,
    PreferenceChange,
    Pricing,
    Status,
    Unknown,
)
from frontdesk.messaging.incoming_people import People
from frontdesk.messaging.incoming_reading import (
    contact_key,
    errors,
    identifier,
    mapping,
    moment,
    phone,
    text,
)

_STATUSES = frozenset({"accepted", "sent", "delivered", "read", "played", "failed", "deleted"})
_PREFERENCES = frozenset({"stop", "resume", "signup"})


def read_status(origin: Origin, status: dict[str, Any], people: People) -> Iterator[Item]:
    """One entry of `statuses[]`."""
    of = text(status.get("type"))
    word = text(status.get("status")).lower()
    wamid = identifier(status.get("id"))
    if of == "call" or origin.field == "calls":
        yield from read_call(origin, status, people)
        return
    if of not in {"", "message"}:
        # A payment that failed has the same form, and is no message that failed.
        yield Unknown(origin=origin, reason=f"a status of a {of[:50]}")
        return
    if word not in _STATUSES or wamid is None:
        reason = f"status {word[:50]!r}" if wamid else "a status without a message id"
        yield Unknown(origin=origin, reason=reason)
        return
    is_group = text(status.get("recipient_type")) == "group"
    # More than one spelling is in use for the participant, and for the parent since a renaming
    # in May 2026.
    number = status.get("recipient_id")
    user_id = status.get("recipient_user_id")
    if is_group:
        number = status.get("recipient_participant_id") or status.get("participant_recipient_id")
        user_id = status.get("recipient_participant_user_id")
    parent = (
        status.get("recipient_parent_user_id")
        or status.get("parent_recipient_user_id")
        or status.get("parent_user_id")
    )
    recipient = people.complete(contact_key(number, user_id, parent)).key
    conversation_origin = mapping(mapping(status.get("conversation")).get("origin"))
    yield Status(
        origin=origin,
        wamid=wamid,
        status=word,
        provider_at=moment(status.get("timestamp")),
        recipient=recipient,
        callback_data=identifier(status.get("biz_opaque_callback_data")),
        pricing=_pricing(mapping(status.get("pricing"))),
        errors=errors(status.get("errors")),
        is_group=is_group,
        conversation_origin=text(conversation_origin.get("type"))[:100] or None,
    )


def _pricing(pricing: dict[str, Any]) -> Pricing | None:
    if not pricing:
        return None
    billable = pricing.get("billable")
    return Pricing(
        # `authentication-international` and `authentication_international` are the same.
        category=text(pricing.get("category")).lower().replace("-", "_")[:100] or None,
        type=text(pricing.get("type")).lower()[:100] or None,
        billable=billable if isinstance(billable, bool) else None,
        model=text(pricing.get("pricing_model"))[:100] or None,
    )


def read_preference(origin: Origin, change: dict[str, Any], people: People) -> Iterator[Item]:
    """One entry of `user_preferences[]`."""
    contact = people.complete(contact_key(change.get("wa_id"), change.get("user_id"))).key
    value = text(change.get("value")).lower()
    if not contact.is_known or value not in _PREFERENCES:
        yield Unknown(origin=origin, reason=f"preference {value[:50]!r}, or nobody's")
        return
    yield PreferenceChange(
        origin=origin,
        contact=contact,
        category=text(change.get("category"))[:100],
        value=value,
        provider_at=moment(change.get("timestamp")),
    )


def read_call(origin: Origin, call: dict[str, Any], people: People) -> Iterator[Item]:
    """One entry of `calls[]`, or a status of a call."""
    call_id = identifier(call.get("id"))
    event = text(call.get("event")) or text(call.get("status"))
    if call_id is None or not event:
        yield Unknown(origin=origin, reason="a call without an id or an event")
        return
    direction = text(call.get("direction"))
    from_contact = direction == "USER_INITIATED"
    if not direction:
        from_contact = "from" in call and phone(call["from"]) != origin.display_phone_number
    other = "from" if from_contact else "to"
    contact = contact_key(call.get(other), call.get(f"{other}_user_id"))
    if not contact.is_known:
        contact = contact_key(call.get("recipient_id"), call.get("recipient_user_id"))
    # The session holds the keys of a media connection: nothing to keep.
    kept = {key: part for key, part in call.items() if key not in {"session", "connection"}}
    yield CallEvent(
        origin=replace(origin, raw=kept),
        call_id=call_id,
        contact=people.complete(contact).key,
        event=event.lower()[:50],
        from_contact=from_contact,
        provider_at=moment(call.get("timestamp")),
    )


def read_error(origin: Origin, error: dict[str, Any], _: People) -> Iterator[Item]:
    """One entry of an `errors[]` that belongs to no message."""
    for detail in errors(error):
        yield OutOfBandError(origin=origin, error=detail)
    if not error:
        yield Unknown(origin=origin, reason="an error that says nothing")
