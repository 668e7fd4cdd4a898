"""What Meta says of accounts, numbers and templates: kept in words, told, and acted upon."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps
from frontdesk.messaging import channels
from frontdesk.messaging.happenings import AccountReported
from frontdesk.messaging.incoming_items import (
    AccountEvent,
    CallEvent,
    ContactSync,
    Item,
    OutOfBandError,
    PreferenceChange,
    TemplateEvent,
)
from frontdesk.messaging.registry import ChannelRef
from frontdesk.messaging.templates import note_template_event

# What an event says something about: a later one of the same topic takes its place.
_TOPICS: Mapping[str, str] = {
    "ACCOUNT_RESTRICTION": "restriction",
    "ACCOUNT_VIOLATION": "violation",
    "DISABLED_UPDATE": "ban",
    "ACCOUNT_DELETED": "connection",
    "ACCOUNT_OFFBOARDED": "connection",
    "ACCOUNT_RECONNECTED": "connection",
    "PARTNER_ADDED": "connection",
    "PARTNER_REMOVED": "connection",
    "PARTNER_APP_INSTALLED": "connection",
    "PARTNER_APP_UNINSTALLED": "connection",
    "VERIFIED_ACCOUNT": "verification",
    "VOLUME_BASED_PRICING_TIER_UPDATE": "prices",
    "AUTH_INTL_PRICE_ELIGIBILITY_UPDATE": "prices",
}
_FIELD_TOPICS: Mapping[str, str] = {
    "account_review_update": "review",
    "account_settings_update": "settings",
    "business_capability_update": "limits",
    "business_username_update": "username",
    "business_username_updates": "username",
    "partner_solutions": "partner",
    "payment_configuration_update": "payment",
    "phone_number_name_update": "name",
    "security": "pin",
}


def topic_of(item: Item) -> str | None:
    """What an item says something lasting about, or None: a contact's choice is no state of ours."""
    if isinstance(item, TemplateEvent):
        return f"template_{item.kind}:{item.name}:{item.language}"
    if isinstance(item, OutOfBandError):
        return f"error:{item.error.code}"
    if not isinstance(item, AccountEvent):
        return None
    field = item.origin.field
    if field == "account_alerts":
        return f"alert:{item.event}"
    if field == "phone_number_quality_update":
        return "throughput" if item.event.startswith("THROUGHPUT") else "quality"
    return _FIELD_TOPICS.get(field) or _TOPICS.get(item.event) or f"other:{item.event}"


async def store_account_event(tx: Transaction, channel: ChannelRef, item: Item) -> None:
    """Keep what is neither message nor status, tell admins, and pause or resume as it demands.

    Events come in any order: what an older one demands is not done once a newer one of its topic
    is known (WhatsApp Cloud API: account events).
    """
    words, severity, event = _in_words(item)
    topic = topic_of(item)
    said_at = getattr(item, "provider_at", None) or datetime.now(UTC)
    is_new = await record(
        tx,
        channel.id,
        field=item.origin.field,
        event=event,
        severity=severity,
        words=words,
        payload=item.raw,
        fingerprint=_fingerprint(channel, item),
        topic=topic,
        said_at=said_at,
        until=getattr(item, "until", None),
    )
    if is_new and isinstance(item, TemplateEvent):
        await note_template_event(tx, channel.waba_id, item)
    if is_new and isinstance(item, AccountEvent) and item.channel_effect is not None:
        # Locked first: another worker may be taking in a newer one, which is known after that.
        await tx.sql.execute("SELECT 1 FROM channel WHERE id = $1 FOR NO KEY UPDATE", channel.id)
        is_outdated = await tx.sql.fetchval(
            "SELECT EXISTS (SELECT 1 FROM account_event WHERE channel_id = $1 AND topic = $2 "
            "AND said_at > $3)",
            channel.id,
            topic,
            said_at,
        )
        if not is_outdated:
            await _change_channel(tx, channel.id, item)


async def record(
    tx: Transaction,
    channel_id: UUID,
    *,
    field: str,
    event: str,
    severity: str,
    words: str,
    payload: Any,
    fingerprint: str,
    topic: str | None = None,
    said_at: datetime | None = None,
    until: datetime | None = None,
) -> bool:
    """Keep an event of an account and tell admins; False when it is known by its fingerprint."""
    new = await tx.sql.fetchval(
        "INSERT INTO account_event (id, channel_id, field, event, severity, words, payload, "
        "fingerprint, topic, said_at, until) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, now()), $11) "
        "ON CONFLICT (tenant_id, fingerprint) DO NOTHING RETURNING id",
        ids.new(),
        channel_id,
        field,
        event,
        severity,
        words,
        dumps(payload),
        fingerprint,
        topic,
        said_at,
        until,
    )
    if new is None:
        return False
    told = AccountReported(channel_id=channel_id, event=event, severity=severity, words=words)
    feed.tell(tx, told, feed.Audience.ADMINS)
    return True


async def _change_channel(tx: Transaction, channel_id: UUID, item: AccountEvent) -> None:
    if item.channel_effect == "pause":
        await channels.pause_channel(tx, channel_id, item.words)
    elif item.channel_effect == "disconnect":
        await channels.disconnect_channel(tx, channel_id, item.words)
    elif item.channel_effect == "resume":
        await channels.resume_channel(tx, channel_id)


def _in_words(item: Item) -> tuple[str, str, str]:
    """(sentence, severity, event name) of anything that is not a message or a status."""
    if isinstance(item, AccountEvent | TemplateEvent):
        return item.words, item.severity, item.event
    if isinstance(item, OutOfBandError):
        return f"WhatsApp reports: {item.error.title}", "warning", str(item.error.code)
    if isinstance(item, PreferenceChange):
        return f"A contact chose “{item.value}” for {item.category}.", "info", item.value
    if isinstance(item, CallEvent):
        return "A contact called; calls are not answered.", "info", item.event
    if isinstance(item, ContactSync):
        return "The phone app's address book changed.", "info", item.action
    return "Something happened.", "info", type(item).__name__


def _fingerprint(channel: ChannelRef, item: Item) -> str:
    at = getattr(item, "provider_at", None)
    parts = dumps([item.origin.field, item.raw, at.isoformat() if at else None])
    return hashlib.sha256(f"{channel.id}:{parts}".encode()).hexdigest()
