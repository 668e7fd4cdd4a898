"""What happened to a tenant's account or number, and what it means for sending."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from frontdesk.messaging.incoming_items import (
    AccountEvent,
    ChannelEffect,
    Item,
    Origin,
    Severity,
)
from frontdesk.messaging.incoming_reading import (
    identifier,
    listed,
    mapping,
    moment,
    phone,
    spoken,
    text,
)


@dataclass(frozen=True, slots=True)
class _Meaning:
    words: str
    severity: Severity = "info"
    effect: ChannelEffect | None = None
    until: datetime | None = None
    is_known: bool = True


def read_account_event(
    origin: Origin, value: dict[str, Any], at: datetime | None
) -> Iterator[Item]:
    """The one event of an account field.

    Events may arrive in the wrong order, such as a reconnection before the disconnection it ended:
    let the newest `provider_at` decide.
    """
    event = text(value.get("event") or value.get("decision")).upper()[:100]
    alert = mapping(value.get("alert_info"))
    meaning = ACCOUNT_FIELDS[origin.field](event, value)
    info = mapping(value.get("waba_info"))
    client = mapping(value.get("partner_client_certification_info")).get("client_business_id")
    yield AccountEvent(
        origin=_routed(origin, event, value),
        event=event or text(alert.get("alert_type")).upper()[:100] or origin.field.upper(),
        words=meaning.words,
        severity=meaning.severity,
        channel_effect=meaning.effect,
        until=meaning.until,
        provider_at=at,
        owner_business_id=identifier(info.get("owner_business_id")) or identifier(client),
        is_known=meaning.is_known,
    )


def _routed(origin: Origin, event: str, value: dict[str, Any]) -> Origin:
    """The origin with the tenant's own account and number.

    For events about partners `entry.id` is our own business portfolio, and the tenant stands in
    `waba_info`. Only the form for numbers that are also used in the phone app has the tenant's
    account in `entry.id`, together with a phone number.
    """
    display = phone(value.get("display_phone_number")) or phone(value.get("phone_number"))
    waba_id = identifier(mapping(value.get("waba_info")).get("waba_id"))
    if waba_id is None and (display is not None or not event.startswith("PARTNER_")):
        waba_id = origin.waba_id
    return replace(origin, waba_id=waba_id, display_phone_number=display)


# What account_update says without further parts.
_UPDATES: dict[str, _Meaning] = {
    "ACCOUNT_DELETED": _Meaning(
        "The WhatsApp Business account was deleted.", "critical", "disconnect"
    ),
    "PARTNER_REMOVED": _Meaning(
        "Our access to the WhatsApp Business account was removed.", "critical", "disconnect"
    ),
    "PARTNER_APP_UNINSTALLED": _Meaning(
        "Our app was removed from the WhatsApp Business account.", "critical", "disconnect"
    ),
    # The phone was changed or registered anew: this mends itself within minutes.
    "ACCOUNT_OFFBOARDED": _Meaning(
        "The number is disconnected because the phone app was set up anew; "
        "WhatsApp usually reconnects it within minutes.",
        "warning",
        "pause",
    ),
    "ACCOUNT_RECONNECTED": _Meaning("The number is connected again.", "info", "resume"),
    "VERIFIED_ACCOUNT": _Meaning("WhatsApp verified the account."),
    "PARTNER_ADDED": _Meaning("The WhatsApp Business account gave us access."),
    "PARTNER_APP_INSTALLED": _Meaning("Our app was added to the WhatsApp Business account."),
    "PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE": _Meaning(
        "WhatsApp reported on the certification of the business."
    ),
    "AD_ACCOUNT_LINKED": _Meaning("An ad account was linked to the WhatsApp Business account."),
    "AUTH_INTL_PRICE_ELIGIBILITY_UPDATE": _Meaning(
        "Other prices for international authentication messages apply to the account."
    ),
    "BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE": _Meaning(
        "The primary country of the business changed."
    ),
    "MM_LITE_TERMS_SIGNED": _Meaning("The terms of the Marketing Messages API were signed."),
    "VOLUME_BASED_PRICING_TIER_UPDATE": _Meaning("The account reached another price tier."),
}

_RESTRICTIONS: dict[str, str] = {
    "RESTRICTED_BIZ_INITIATED_MESSAGING": "it may not start conversations",
    "RESTRICTED_CUSTOMER_INITIATED_MESSAGING": "it may not even answer customers",
    "RESTRICTED_ADD_PHONE_NUMBER_ACTION": "it may not add phone numbers",
    "RESTRICTED_UTILITY_TEMPLATES": "it may not send utility templates",
    "RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES": "it may not send utility templates directly",
}


def _update(event: str, value: dict[str, Any]) -> _Meaning:
    if event == "ACCOUNT_RESTRICTION":
        return _restriction(value)
    if event == "ACCOUNT_VIOLATION":
        what = mapping(value.get("violation_info"))
        remedy = text(what.get("remediation"))[:500]
        words = f"WhatsApp found a violation of its policies: {spoken(what.get('violation_type'))}."
        return _Meaning(f"{words} {remedy}".strip(), "warning")
    if event == "DISABLED_UPDATE":
        return _ban(mapping(value.get("ban_info")))
    if event == "PARTNER_REMOVED":
        why = spoken(mapping(value.get("disconnection_info")).get("reason"))
        if why:
            known = _UPDATES[event]
            return replace(known, words=f"{known.words[:-1]}: {why}.")
    return _UPDATES.get(event) or _new(event)


def _restriction(value: dict[str, Any]) -> _Meaning:
    # Older webhooks have one object here, newer ones a list.
    limits = [mapping(limit) for limit in listed(value.get("restriction_info"))]
    kinds = [text(limit.get("restriction_type"))[:100] for limit in limits]
    ends = [end for end in (moment(limit.get("expiration")) for limit in limits) if end]
    until = max(ends, default=None)
    what = "; ".join(_RESTRICTIONS.get(kind) or spoken(kind) for kind in kinds if kind)
    words = f"WhatsApp restricted the account: {what or 'no details given'}"
    words += f", until {until:%Y-%m-%d %H:%M} UTC." if until else "."
    if "RESTRICTED_CUSTOMER_INITIATED_MESSAGING" in kinds:
        return _Meaning(words, "critical", "pause", until)
    # Answers inside the customer service window still go out.
    return _Meaning(words, "warning", None, until)


def _ban(ban: dict[str, Any]) -> _Meaning:
    state = text(ban.get("waba_ban_state")).upper()
    day = text(ban.get("waba_ban_date"))[:50]
    if state == "DISABLE":
        return _Meaning("WhatsApp disabled the account.", "critical", "pause")
    if state == "SCHEDULE_FOR_DISABLE":
        when = f" on {day}" if day else " soon"
        return _Meaning(f"WhatsApp will disable the account{when}.", "critical")
    if state == "REINSTATE":
        return _Meaning("WhatsApp reinstated the account.", "info", "resume")
    return _Meaning("WhatsApp reported on a ban of the account without saying which.", "warning")


def _review(decision: str, _: dict[str, Any]) -> _Meaning:
    # A number in review works: nothing is disconnected for it.
    severity: Severity = "warning" if decision == "REJECTED" else "info"
    return _Meaning(f"The review of the account ended with: {spoken(decision)}.", severity)


_ALERT_SEVERITIES: dict[str, Severity] = {"CRITICAL": "critical", "WARNING": "warning"}


def _alert(_: str, value: dict[str, Any]) -> _Meaning:
    # The parts stood beside each other before they moved into `alert_info`.
    alert = mapping(value.get("alert_info")) or value
    told = text(alert.get("alert_description"))[:500] or spoken(alert.get("alert_type"))
    over = " (over)" if text(alert.get("alert_status")).upper() in {"RESOLVED", "NONE"} else ""
    severity = _ALERT_SEVERITIES.get(text(alert.get("alert_severity")).upper(), "info")
    words = f"WhatsApp alert{over}: {told or 'no details given'}"
    return _Meaning(words, "info" if over else severity)


def _capability(_: str, value: dict[str, Any]) -> _Meaning:
    limits = [
        f"{spoken(key)} {text(limit)[:50]}"
        for key, limit in value.items()
        if key.startswith("max_") and text(limit)
    ]
    return _Meaning(f"The limits of the account changed: {', '.join(limits) or 'not said how'}.")


def _quality(event: str, value: dict[str, Any]) -> _Meaning:
    limit = spoken(value.get("current_limit"))
    words = f"WhatsApp changed the standing of the number: {spoken(event)}"
    severity: Severity = "warning" if event in {"FLAGGED", "DOWNGRADE"} else "info"
    return _Meaning(f"{words}, limit {limit}." if limit else f"{words}.", severity)


def _name(decision: str, value: dict[str, Any]) -> _Meaning:
    name = text(value.get("requested_verified_name"))[:200]
    why = spoken(value.get("rejection_reason"))
    words = f"The display name {name!r} was {spoken(decision)}"
    # With a refused name the number may be limited.
    severity: Severity = "info" if decision == "APPROVED" else "warning"
    return _Meaning(f"{words}: {why}." if why not in {"", "none"} else f"{words}.", severity)


_PIN_EVENTS = {
    "PIN_CHANGED": "was changed",
    "PIN_RESET_REQUEST": "is to be reset: somebody asked for it",
    "PIN_REQUEST_SUCCESS": "may be gone: a request about it was granted",
}


def _security(event: str, _: dict[str, Any]) -> _Meaning:
    # Whoever knows the PIN can take the number to another provider.
    what = _PIN_EVENTS.get(event)
    if what is None:
        return replace(_new(event), severity="warning")
    return _Meaning(f"The two-step PIN of the number {what}. Check that it was you.", "warning")


def _notice(what: str) -> Callable[[str, dict[str, Any]], _Meaning]:
    """The meaning of a field that changes nothing for us."""

    def read(event: str, value: dict[str, Any]) -> _Meaning:
        state = spoken(value.get("status") or value.get("solution_status"))
        told = ", ".join(filter(None, (spoken(event), state)))
        return _Meaning(f"{what}: {told}." if told else f"{what}.")

    return read


def _new(event: str) -> _Meaning:
    return _Meaning(
        f"WhatsApp reported an event of a new kind: {spoken(event) or 'without a name'}.",
        is_known=False,
    )


ACCOUNT_FIELDS: dict[str, Callable[[str, dict[str, Any]], _Meaning]] = {
    "account_update": _update,
    "account_review_update": _review,
    "account_alerts": _alert,
    "account_settings_update": _notice("The settings of the number changed"),
    "business_capability_update": _capability,
    "business_username_update": _notice("The username of the business changed"),
    "business_username_updates": _notice("The username of the business changed"),
    "partner_solutions": _notice("A partner solution changed"),
    "payment_configuration_update": _notice("A payment configuration changed"),
    "phone_number_name_update": _name,
    "phone_number_quality_update": _quality,
    "security": _security,
}
