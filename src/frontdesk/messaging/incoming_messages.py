"""What contacts write: messages, edits, revokes, and the news that a contact has a new key."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from frontdesk.messaging.incoming_coexistence import history_message
from frontdesk.messaging.incoming_content import Content, content_of
from frontdesk.messaging.incoming_items import (
    ContactKey,
    ErrorDetail,
    IdentityChange,
    Ignored,
    InboundMessage,
    Item,
    MessageEdit,
    MessageRevoke,
    Origin,
    Unknown,
)
from frontdesk.messaging.incoming_people import People, Person
from frontdesk.messaging.incoming_reading import (
    contact_key,
    errors,
    identifier,
    mapping,
    moment,
    text,
)

_IDENTITY_CHANGES = frozenset(
    {
        "user_changed_number",
        "customer_changed_number",  # The older name of the one before.
        "user_changed_user_id",
        "customer_identity_changed",
    }
)
# Only the end of the sentence is WhatsApp's: it begins with a name that the contact chose.
_CHANGED_USER_ID = re.compile(r"changed from ([A-Z]{2}\.[A-Za-z0-9.]{1,140}) to (\S{1,160}?)\.?$")


def read_message(origin: Origin, message: dict[str, Any], people: People) -> Iterator[Item]:
    """One entry of `messages[]`: a message, or an edit, a revoke or a change of identity."""
    if origin.field == "history":
        # A file of the history arrives as a message of its own, after its placeholder.
        yield from history_message(origin, message, ContactKey(), None)
        return
    wamid = identifier(message.get("id"))
    person = people.complete(
        contact_key(
            message.get("from"), message.get("from_user_id"), message.get("from_parent_user_id")
        )
    )
    kind = text(message.get("type"))
    system = mapping(message.get("system"))
    if wamid is None:
        yield Unknown(origin=origin, reason="a message without an id")
    elif not person.key.is_known:
        yield Unknown(origin=origin, reason="a message without a sender")
    elif kind == "edit":
        yield _edit(origin, wamid, person.key, message)
    elif kind == "revoke":
        original = identifier(mapping(message.get("revoke")).get("original_message_id"))
        if original is None:
            yield Unknown(origin=origin, reason="a revoke that does not say of what")
            return
        yield MessageRevoke(
            origin=origin,
            wamid=wamid,
            original_wamid=original,
            sender=person.key,
            provider_at=moment(message.get("timestamp")),
        )
    elif kind == "system" and text(system.get("type")) in _IDENTITY_CHANGES:
        yield _identity_change(origin, wamid, person.key, message, system)
    else:
        yield _inbound(origin, wamid, person, message)


def _inbound(origin: Origin, wamid: str, person: Person, message: dict[str, Any]) -> InboundMessage:
    content = content_of(message)
    context = mapping(message.get("context"))
    group_id = identifier(message.get("group_id"))
    problems = errors(message.get("errors"))
    quoted = identifier(context.get("id"))
    if content.type == "reaction":
        quoted = identifier(mapping(message.get("reaction")).get("message_id"))
    return InboundMessage(
        origin=origin,
        wamid=wamid,
        sender=person.key,
        profile_name=person.name,
        username=person.username,
        type=content.type,
        subtype=content.subtype,
        text=content.text,
        media=content.media,
        button_id=content.button_id,
        shared_wa_id=content.shared_wa_id,
        provider_at=moment(message.get("timestamp")),
        reply_to_wamid=quoted,
        forwarded=bool(context.get("forwarded") or context.get("frequently_forwarded")),
        referral=mapping(message.get("referral")) or None,
        referred_product=mapping(context.get("referred_product")) or None,
        group_id=group_id,
        errors=problems,
        ignored_reason=_ignored_reason(content, group_id, problems),
    )


_NEVER_ANSWERED = {
    "reaction": Ignored.REACTION,
    "system": Ignored.SYSTEM,
    "unsupported": Ignored.UNSUPPORTED,
    "request_welcome": Ignored.REQUEST_WELCOME,
}


def _ignored_reason(
    content: Content, group_id: str | None, problems: tuple[ErrorDetail, ...]
) -> Ignored | None:
    if group_id is not None:
        return Ignored.GROUP
    if content.type in _NEVER_ANSWERED:
        return _NEVER_ANSWERED[content.type]
    if content.subtype == "call_permission_reply":
        return Ignored.CALL_PERMISSION
    if problems and not content.text and content.media is None:
        return Ignored.ERROR_ONLY
    if not content.is_known:
        return Ignored.UNKNOWN_TYPE
    # A file without words is a message like any other; nothing at all is none.
    return None if content.text or content.media else Ignored.EMPTY


def _edit(origin: Origin, wamid: str, sender: ContactKey, message: dict[str, Any]) -> Item:
    edit = mapping(message.get("edit"))
    original = identifier(edit.get("original_message_id"))
    if original is None:
        return Unknown(origin=origin, reason="an edit that does not say of what")
    content = content_of(mapping(edit.get("message")))
    return MessageEdit(
        origin=origin,
        wamid=wamid,
        original_wamid=original,
        sender=sender,
        type=content.type,
        text=content.text,
        media=content.media,
        provider_at=moment(message.get("timestamp")),
    )


def _identity_change(
    origin: Origin,
    wamid: str,
    sender: ContactKey,
    message: dict[str, Any],
    system: dict[str, Any],
) -> IdentityChange:
    words = text(system.get("body"))
    new = contact_key(system.get("wa_id"), system.get("user_id"), system.get("parent_user_id"))
    said = _CHANGED_USER_ID.search(words)
    if said and sender.bsuid is None and said[2] == new.bsuid:
        # The message names its sender by phone alone; the former user id stands in the sentence.
        sender = replace(sender, bsuid=said[1])
    return IdentityChange(
        origin=origin,
        kind=text(system.get("type")),
        old=sender,
        new=new,
        words=words,
        wamid=wamid,
        provider_at=moment(message.get("timestamp")),
    )


def read_user_id_update(origin: Origin, update: dict[str, Any], _: People) -> Iterator[Item]:
    """One entry of `user_id_update[]`."""
    user_id, parent = mapping(update.get("user_id")), mapping(update.get("parent_user_id"))
    old = contact_key(update.get("wa_id"), user_id.get("previous"), parent.get("previous"))
    new = contact_key(None, user_id.get("current"), parent.get("current"))
    if not old.is_known or not new.is_known:
        yield Unknown(origin=origin, reason="a new user id that does not say whose")
        return
    yield IdentityChange(
        origin=origin,
        kind="user_id_update",
        old=old,
        new=new,
        words=text(update.get("detail")),
        wamid=None,
        provider_at=moment(update.get("timestamp")),
    )
