"""What comes from the WhatsApp Business app on the tenant's phone: echoes, history, contacts."""

from collections.abc import Iterator
from typing import Any

from frontdesk.messaging.incoming_content import content_of
from frontdesk.messaging.incoming_items import (
    ContactKey,
    ContactSync,
    Echo,
    HistoryMessage,
    Item,
    Origin,
    Unknown,
)
from frontdesk.messaging.incoming_people import People
from frontdesk.messaging.incoming_reading import (
    contact_key,
    identifier,
    integer,
    listed,
    mapping,
    moment,
    text,
)
from frontdesk.messaging.incoming_statuses import read_error


def read_echo(origin: Origin, echo: dict[str, Any], people: People) -> Iterator[Item]:
    """One entry of `message_echoes[]`."""
    wamid = identifier(echo.get("id"))
    recipient = people.complete(
        contact_key(
            echo.get("to"),
            echo.get("to_user_id") or echo.get("recipient_user_id"),
            echo.get("to_parent_user_id"),
        )
    ).key
    if wamid is None or not recipient.is_known:
        yield Unknown(origin=origin, reason="an echo without an id or a recipient")
        return
    kind = text(echo.get("type"))
    original = None
    content = content_of(echo)
    if kind in {"edit", "revoke"}:
        change = mapping(echo.get(kind))
        original = identifier(change.get("original_message_id"))
        content = content_of(mapping(change.get("message")))
    yield Echo(
        origin=origin,
        wamid=wamid,
        recipient=recipient,
        type=content.type if kind not in {"edit", "revoke"} else kind,
        text=content.text,
        media=content.media,
        provider_at=moment(echo.get("timestamp")),
        reply_to_wamid=identifier(mapping(echo.get("context")).get("id")),
        original_wamid=original,
    )


def read_history(origin: Origin, chunk: dict[str, Any], people: People) -> Iterator[Item]:
    """One entry of `history[]`: threads of messages, or the reason why there are none."""
    for number, error in enumerate(listed(chunk.get("errors"))):
        yield from read_error(origin.at(f"errors[{number}]", error), mapping(error), people)
    progress = integer(mapping(chunk.get("metadata")).get("progress"))
    threads = listed(chunk.get("threads"))
    if not threads and not listed(chunk.get("errors")):
        yield Unknown(origin=origin, reason="a part of the history without threads")
    for number, thread in enumerate(threads):
        place = origin.at(f"threads[{number}]", thread)
        known = mapping(thread)
        context = mapping(known.get("context"))
        contact = contact_key(known.get("id"), known.get("user_id") or context.get("user_id"))
        messages = listed(known.get("messages"))
        if not messages:
            yield Unknown(origin=place, reason="a thread of the history without messages")
        for index, message in enumerate(messages):
            step = place.at(f"messages[{index}]", message)
            yield from history_message(step, mapping(message), contact, progress)


def history_message(
    origin: Origin, message: dict[str, Any], contact: ContactKey, progress: int | None
) -> Iterator[Item]:
    """One message of the history, of the thread with `contact` if that is known."""
    wamid = identifier(message.get("id"))
    if wamid is None:
        yield Unknown(origin=origin, reason="a message of the history without an id")
        return
    sender = contact_key(message.get("from"), message.get("from_user_id"))
    business = origin.display_phone_number
    if business is not None:
        from_business = sender.wa_id == business
    else:
        from_business = sender.wa_id is not None and contact.wa_id not in {None, sender.wa_id}
    if not contact.is_known:
        to = contact_key(message.get("to"), message.get("to_user_id"))
        contact = to if from_business else sender
    content = content_of(message)
    yield HistoryMessage(
        origin=origin,
        wamid=wamid,
        contact=contact,
        from_business=from_business,
        type=content.type,
        text=content.text,
        media=content.media,
        provider_at=moment(message.get("timestamp")),
        status=text(mapping(message.get("history_context")).get("status")).lower()[:50] or None,
        progress_percent=progress,
    )


def read_contact_sync(origin: Origin, sync: dict[str, Any], _: People) -> Iterator[Item]:
    """One entry of `state_sync[]`."""
    entry = mapping(sync.get("contact"))
    contact = contact_key(entry.get("phone_number"), entry.get("user_id"))
    if text(sync.get("type")) != "contact" or not contact.is_known:
        yield Unknown(origin=origin, reason="a change in the phone app that names no contact")
        return
    full_name = text(entry.get("full_name")) or text(entry.get("first_name"))
    yield ContactSync(
        origin=origin,
        contact=contact,
        action=text(sync.get("action")).lower()[:50],
        full_name=full_name[:200] or None,
        provider_at=moment(mapping(sync.get("metadata")).get("timestamp")),
    )
