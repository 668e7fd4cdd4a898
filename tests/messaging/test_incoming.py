"""What webhooks say, and that nothing in a body can make the reading fail or lose an item."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.messaging.incoming import parse_webhook
from frontdesk.messaging.incoming_items import (
    AccountEvent,
    CallEvent,
    ContactKey,
    ContactSync,
    Echo,
    HistoryMessage,
    IdentityChange,
    Ignored,
    InboundMessage,
    Item,
    MessageEdit,
    MessageRevoke,
    OutOfBandError,
    ParsedWebhook,
    PreferenceChange,
    Pricing,
    Status,
    TemplateEvent,
    Unknown,
)
from frontdesk.messaging.incoming_reading import MAX_DEPTH, moment, phone, storable

PAYLOADS = sorted((Path(__file__).parents[1] / "payloads").glob("*.json"))
SENT_AT = datetime.fromtimestamp(1795000000, UTC)
ANA = ContactKey("385915550142", "HR.70000000000000000001")
BEN = ContactKey(None, "GB.70000000000000000002", "GB.ENT.7000002")

T = TypeVar("T", bound=Item)


def read(name: str) -> ParsedWebhook:
    path = next(path for path in PAYLOADS if path.stem == name)
    return parse_webhook(path.read_bytes())


def items(name: str, kind: type[T]) -> list[T]:
    return [item for item in read(name).items if isinstance(item, kind)]


def reasons(name: str) -> list[str]:
    return [item.reason for item in items(name, Unknown)]


def message(**parts: Any) -> bytes:
    """A webhook with one message of Ana's."""
    base = {"from": "385915550142", "id": "wamid.IN1", "timestamp": "1795000000", "type": "text"}
    value = {"metadata": {"phone_number_id": "7"}, "messages": [base | parts]}
    entry = {"id": "8", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def only_message(**parts: Any) -> InboundMessage:
    (item,) = parse_webhook(message(**parts)).items
    assert isinstance(item, InboundMessage)
    return item


# Messages.


def test_a_text_brings_its_sender_its_time_and_its_route() -> None:
    (item,) = items("text_with_phone_and_user_id", InboundMessage)
    assert item.text == "Kada stiže moja narudžba? 📦"
    assert (item.wamid, item.type, item.provider_at) == ("wamid.IN1", "text", SENT_AT)
    assert item.sender == ANA
    assert (item.profile_name, item.username) == ("Ana Kovač", "ana.k")
    assert item.phone_number_id == "700100000000001"
    assert item.waba_id == "880100000000001"
    assert item.display_phone_number == "4930555010"
    assert item.position == "entry[0].changes[0].messages[0]"
    assert item.raw["id"] == "wamid.IN1"
    assert item.ignored_reason is None


def test_a_contact_without_a_phone_number_is_known_by_user_id() -> None:
    first, odd, last = items("text_without_phone", InboundMessage)
    assert first.sender == BEN
    assert first.profile_name == "Ben"
    assert odd.sender == ContactKey(None, "GB.70000000000000000009")
    assert odd.profile_name is None
    # Ana is first in contacts[] and last in messages[]: the order means nothing.
    assert last.sender == ANA
    assert last.profile_name == "Ana Kovač"


def test_every_item_of_every_tenant_in_a_batch_is_read() -> None:
    found = read("batch_of_two_tenants").items
    texts = [(i.phone_number_id, i.text) for i in found if isinstance(i, InboundMessage)]
    assert texts == [
        ("700100000000001", "one"),
        ("700100000000001", "two"),
        ("700100000000002", "three"),
        ("700200000000001", "eins"),
        ("700200000000001", "zwei"),
    ]
    assert {i.waba_id for i in found} == {"880100000000001", "880200000000001"}
    assert len({i.position for i in found}) == len(found)
    assert reasons("batch_of_two_tenants") == [
        "an entry of messages that is no object",
        "a message without a sender",
    ]


def test_a_formatted_business_number_is_read_as_digits() -> None:
    assert {i.display_phone_number for i in items("batch_of_two_tenants", Status)} == {"4930555020"}


def test_media_has_a_reference_and_is_answered_even_without_words() -> None:
    image, video, audio, document, sticker, broken = items("media", InboundMessage)
    assert image.text == "It came broken"
    assert image.media is not None
    assert image.media.url == "https://lookaside.fbsbx.com/x/1"
    assert (image.media.mime_type, image.media.sha256) == ("image/jpeg", "3q2+7w==")
    assert video.media is not None
    assert video.media.id == "910002"
    assert audio.media is not None
    assert audio.media.voice
    assert audio.media.mime_type == "audio/ogg; codecs=opus"
    assert sticker.media is not None
    assert [m.ignored_reason for m in (image, video, audio, document, sticker)] == [None] * 5
    assert (broken.media, broken.ignored_reason) == (None, Ignored.ERROR_ONLY)
    assert broken.errors[0].code == 131052


def test_a_file_name_can_neither_be_a_path_nor_hide_its_ending() -> None:
    document = items("media", InboundMessage)[3]
    assert document.media is not None
    assert document.media.filename == "invoice.pdf"
    assert document.media.url is None  # Not over https.


def test_taps_and_forms_read_like_messages() -> None:
    tapped = items("taps_and_forms", InboundMessage)
    assert [(m.text, m.button_id, m.ignored_reason) for m in tapped] == [
        ("Stop promotions", "STOP", None),
        ("Talk to a person", "person:17", None),
        ("Wed 14:30 – Harbour branch", "slot:3", None),
        ('Sent\nrating: 4\nrecommend: yes\ncomment: fast\ntags: ["a"]', None, None),
        ("Sent", None, None),
        ("Call permission: accept", None, Ignored.CALL_PERMISSION),
        ("Beam me", None, Ignored.UNKNOWN_TYPE),
    ]
    assert tapped[0].reply_to_wamid == "wamid.TPL1"
    assert tapped[1].subtype == "button_reply"


def test_places_cards_and_orders_read_like_messages() -> None:
    found = items("places_cards_orders", InboundMessage)
    assert [m.text for m in found[:5]] == [
        "Location: (45.8131, 15.9775)",
        "Location: Depot – Savska 12 – (45.8, 16)",
        "Own number: +385 91 555 0142",
        "Contact: Iva Horvat, Dostava, +385 1 555 000, iva@example.com\nContact: Nobody",
        "gift wrap please\n2 × mug-blue at 12.5 EUR\n1 × card",
    ]
    assert [m.shared_wa_id for m in found[2:4]] == ["385915550142", None]
    assert found[5].referred_product == {"catalog_id": "7001", "product_retailer_id": "mug-blue"}
    assert found[5].reply_to_wamid == "wamid.CAT1"
    assert found[6].referral == {"source_type": "ad", "source_id": "1201", "headline": "Mugs"}
    assert found[6].forwarded
    assert all(m.ignored_reason is None for m in found)


def test_what_must_never_be_answered_says_why() -> None:
    found = items("never_answered", InboundMessage)
    assert [(m.type, m.text, m.ignored_reason) for m in found] == [
        ("reaction", "❤️", Ignored.REACTION),
        ("reaction", "", Ignored.REACTION),
        ("system", "It rains now", Ignored.SYSTEM),
        ("unsupported", "", Ignored.UNSUPPORTED),
        ("request_welcome", "", Ignored.REQUEST_WELCOME),
        ("text", "hi all", Ignored.GROUP),
        ("hologram", "look at this", Ignored.UNKNOWN_TYPE),
        ("interactive", "", Ignored.ERROR_ONLY),
        ("text", "", Ignored.EMPTY),
        ("interactive", "Call permission: reject", Ignored.CALL_PERMISSION),
    ]
    assert found[0].reply_to_wamid == "wamid.OUT1"
    assert (found[3].subtype, found[3].errors[0].code) == ("poll", 131051)
    assert found[5].group_id == "G-4711"


def test_edits_and_revokes_name_the_message_they_change() -> None:
    (edit,) = items("edits_and_revokes", MessageEdit)
    assert (edit.original_wamid, edit.text) == ("wamid.IN1", "Where is order 18?")
    assert (edit.wamid, edit.sender) == ("wamid.E1", ANA)
    (revoke,) = items("edits_and_revokes", MessageRevoke)
    assert (revoke.original_wamid, revoke.provider_at) == ("wamid.IN2", SENT_AT)
    assert len(reasons("edits_and_revokes")) == 2


def test_a_new_number_or_user_id_moves_the_key_of_one_person() -> None:
    number, user_id, device, update = items("identity_changes", IdentityChange)
    assert number.old == ContactKey("385915550142")
    assert number.new == ContactKey("385915550199")
    assert user_id.old == ContactKey("385915550142", "HR.70000000000000000001")
    assert user_id.new == ContactKey(None, "HR.70000000000000000077")
    assert (device.kind, device.new.is_known) == ("customer_identity_changed", False)
    assert update.old == ContactKey("385915550142", "HR.70000000000000000001", "HR.ENT.1")
    assert update.new == ContactKey(None, "HR.70000000000000000077", "HR.ENT.2")
    assert reasons("identity_changes") == ["a new user id that does not say whose"]


# Statuses and short notices.


def test_statuses_bring_what_bills_and_reconciles_them() -> None:
    read_, delivered, failed, group, origin = items("statuses", Status)
    assert (read_.status, read_.callback_data) == ("read", "0192f0aa.1")
    assert read_.recipient == ANA
    assert delivered.pricing == Pricing("authentication_international", "regular", True, "PMP")
    assert delivered.recipient == ContactKey("385915550142", "HR.70000000000000000001", "HR.ENT.1")
    assert [(e.code, e.title, e.details) for e in failed.errors] == [
        (131047, "Re-engagement message", "too late")
    ]
    assert group.is_group
    assert group.recipient.wa_id == "385915550142"
    assert group.provider_at is None
    assert origin.conversation_origin == "referral_conversion"


def test_what_only_looks_like_a_status_of_a_message_is_none() -> None:
    assert reasons("statuses") == [
        "a status of a payment",
        "status 'teleported'",
        "a status without a message id",
    ]
    (call,) = items("statuses", CallEvent)
    assert (call.call_id, call.event, call.from_contact) == ("wacid.C1", "ringing", False)


def test_preferences_errors_and_unknown_fields_are_told_apart() -> None:
    (preference,) = items("preferences_and_errors", PreferenceChange)
    assert (preference.category, preference.value) == ("marketing_messages", "stop")
    assert preference.contact == ANA
    (error,) = items("preferences_and_errors", OutOfBandError)
    assert (error.error.code, error.error.details) == (130429, "too fast")
    assert reasons("preferences_and_errors") == [
        "preference 'perhaps', or nobody's",
        "group_lifecycle_update.groups is not handled",
        "field 'field_of_next_year' with nothing we handle",
        "field 'messages' without a value",
        "field 'messages' with nothing we handle",
    ]


# The phone app.


def test_an_answer_from_the_phone_app_is_an_echo_never_a_message() -> None:
    text, edit, revoke = items("phone_app", Echo)
    assert (text.recipient.wa_id, text.text) == ("385915550142", "Tom here, I will call you.")
    assert text.reply_to_wamid == "wamid.IN1"
    assert (edit.type, edit.original_wamid, edit.text) == (
        "edit",
        "wamid.ECHO1",
        "Tom here, I call at 5.",
    )
    assert (revoke.type, revoke.original_wamid) == ("revoke", "wamid.ECHO0")
    assert revoke.recipient == ContactKey(None, "GB.70000000000000000002")
    assert not items("phone_app", InboundMessage)
    assert len(reasons("phone_app")) == 2


def test_the_address_book_of_the_phone_app_is_read() -> None:
    (sync,) = items("phone_app", ContactSync)
    assert (sync.contact.wa_id, sync.action, sync.full_name) == ("385915550142", "add", "Ana Kovač")


def test_a_call_of_a_contact_is_told_without_its_session() -> None:
    (call,) = items("phone_app", CallEvent)
    assert (call.event, call.from_contact, call.contact.wa_id) == ("connect", True, "385915550142")
    assert "session" not in call.raw


def test_history_knows_who_wrote_and_is_never_a_message() -> None:
    asked, placeholder, hello, image = items("history", HistoryMessage)
    assert (asked.from_business, asked.status, asked.progress_percent) == (False, "read", 40)
    assert (placeholder.from_business, placeholder.type) == (True, "media_placeholder")
    assert placeholder.contact == ContactKey("385915550142")
    assert hello.contact == ContactKey(None, "GB.70000000000000000002")
    assert not hello.from_business
    assert (image.wamid, image.from_business) == (placeholder.wamid, True)
    assert image.media is not None
    (declined,) = items("history", OutOfBandError)
    assert declined.error.code == 2593109
    assert not items("history", InboundMessage)


# Accounts and templates.


def test_account_events_say_what_becomes_of_the_channel() -> None:
    found = items("account_events", AccountEvent)
    assert [(e.event, e.severity, e.channel_effect) for e in found] == [
        ("PARTNER_REMOVED", "critical", "disconnect"),
        ("PARTNER_REMOVED", "critical", "disconnect"),
        ("PARTNER_APP_UNINSTALLED", "critical", "disconnect"),
        ("ACCOUNT_RESTRICTION", "critical", "pause"),
        ("ACCOUNT_RESTRICTION", "warning", None),
        ("DISABLED_UPDATE", "critical", "pause"),
        ("DISABLED_UPDATE", "critical", None),
        ("DISABLED_UPDATE", "info", "resume"),
        ("ACCOUNT_OFFBOARDED", "warning", "pause"),
        ("ACCOUNT_RECONNECTED", "info", "resume"),
        ("ACCOUNT_VIOLATION", "warning", None),
        ("ACCOUNT_DELETED", "critical", "disconnect"),
        ("MOON_LANDING", "info", None),
        ("REJECTED", "warning", None),
        ("X", "critical", None),
        ("BUSINESS_CAPABILITY_UPDATE", "info", None),
        ("FLAGGED", "warning", None),
        ("REJECTED", "warning", None),
        ("PIN_CHANGED", "warning", None),
    ]
    assert [e.event for e in found if not e.is_known] == ["MOON_LANDING"]
    assert all(e.words.endswith(".") for e in found)
    assert all(e.provider_at == datetime.fromtimestamp(1795000100, UTC) for e in found)


def test_partner_events_lead_to_the_tenant_and_not_to_our_own_portfolio() -> None:
    removed, from_app, uninstalled, *_ = items("account_events", AccountEvent)
    assert (removed.waba_id, removed.display_phone_number) == ("880200000000001", None)
    assert removed.owner_business_id == "330200000000001"
    assert (from_app.waba_id, from_app.display_phone_number) == ("880100000000001", "4930555010")
    assert "primary inactivity" in from_app.words
    assert uninstalled.waba_id is None  # It names nobody: no tenant may be touched.


def test_a_restriction_says_until_when_it_holds() -> None:
    restricted = items("account_events", AccountEvent)[3]
    assert restricted.until == datetime.fromtimestamp(1795600000, UTC)
    assert "may not even answer customers" in restricted.words


def test_template_events_are_told_by_what_they_hold() -> None:
    paused, rejected, quality, notice, moved, edited = items("template_events", TemplateEvent)
    assert (paused.kind, paused.event, paused.reason) == ("status", "PAUSED", None)
    assert paused.template_id == "9007199254740993"  # Beyond what a float can hold.
    assert {e.language for e in items("template_events", TemplateEvent)} == {"en_US"}
    assert (rejected.reason, rejected.severity) == ("invalid format", "warning")
    # Its field says "status".
    assert (quality.kind, quality.previous_quality, quality.quality) == ("quality", "GREEN", "RED")
    assert notice.correct_category == "MARKETING"
    assert notice.category_changes_at == datetime.fromtimestamp(1795086500, UTC)
    assert (moved.previous_category, moved.category) == ("UTILITY", "MARKETING")
    assert edited.kind == "components"


# Bodies that break parsers.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"hello",
        b"\xff\xfe\xfa",
        b"[]",
        b"null",
        b'"entry"',
        b"{}",
        b'{"entry":[{"id":NaN}]}',
        b'{"entry":[{"id":-Infinity}]}',
        b'{"entry":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"entry":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}",
        b'{"entry":[{"id":' + b"9" * 5_000 + b"}]}",
    ],
)
def test_a_body_that_is_no_webhook_is_unreadable_and_raises_nothing(body: bytes) -> None:
    parsed = parse_webhook(body)
    assert parsed.unreadable
    assert parsed.items == ()


def test_the_reason_for_an_unreadable_body_does_not_quote_it() -> None:
    assert "secret" not in (parse_webhook(b"secret words").unreadable or "")


@pytest.mark.parametrize("depth", [MAX_DEPTH - 2, MAX_DEPTH + 50, 400])
def test_deep_nesting_inside_a_message_costs_only_what_is_too_deep(depth: int) -> None:
    deep: Any = "x"
    for _ in range(depth):
        deep = [deep]
    item = only_message(text={"body": "hi"}, extra=deep)
    assert item.text == "hi"
    json.dumps(item.raw)


def test_another_product_of_meta_is_not_read_as_whatsapp() -> None:
    (item,) = parse_webhook(b'{"object":"page","entry":[{"id":"1"}]}').items
    assert isinstance(item, Unknown)
    assert item.reason == "object 'page'"


def test_an_empty_batch_says_nothing() -> None:
    assert parse_webhook(b'{"object":"whatsapp_business_account","entry":[]}') == ParsedWebhook()


def test_hostile_shapes_cost_themselves_only() -> None:
    found = read("hostile").items
    texts = [i for i in found if isinstance(i, InboundMessage)]
    assert [(m.text, m.type) for m in texts] == [
        ("nul  and half \ufffd an emoji", "text"),
        ("", "unknown"),
        ("12", "text"),
    ]
    assert texts[0].profile_name == "A\ufffd"
    assert "key" in texts[0].raw["text"]
    assert [m.provider_at for m in texts[1:]] == [None, None]
    (status,) = items("hostile", Status)
    assert (status.status, status.recipient.wa_id) == ("sent", "385915550142")
    assert Counter(type(i).__name__ for i in found)["Unknown"] == 8


def test_a_text_longer_than_anyone_can_type_is_cut() -> None:
    assert len(only_message(text={"body": "x" * 100_000}).text) == 65_536


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1795000000", SENT_AT),
        (1795000000, SENT_AT),
        (" 1795000000 ", SENT_AT),
        ("", None),
        (None, None),
        (True, None),
        (-5, None),
        (0, None),
        ("١٧٩", None),
        ("1_000", None),
        (10**17, None),
        (float("inf"), None),
        ([1], None),
    ],
)
def test_times_are_read_from_whatever_they_come_as(value: object, expected: object) -> None:
    assert moment(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+49 (30) 555-010", "4930555010"),
        (4930555010, "4930555010"),
        ("HR.70000000000000000001", None),
        ("120363@g.us", None),
        ("٤٩٣٠٥٥٥", None),
        ("123", None),
        ("", None),
        (None, None),
    ],
)
def test_phone_numbers_are_read_as_digits(value: object, expected: object) -> None:
    assert phone(value) == expected


# Whatever comes.

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None), max_size=20),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "entry",
                    "changes",
                    "value",
                    "field",
                    "messages",
                    "statuses",
                    "errors",
                    "contacts",
                    "metadata",
                    "id",
                    "from",
                    "type",
                    "text",
                    "body",
                    "timestamp",
                    "user_id",
                    "wa_id",
                    "history",
                    "threads",
                    "system",
                    "edit",
                    "event",
                    "time",
                ]
            )
            | st.text(max_size=5),
            children,
            max_size=5,
        )
    ),
    max_leaves=25,
)


def assert_sound(parsed: ParsedWebhook) -> None:
    """Everything can be stored, and each item stands at a place of its own."""
    for item in parsed.items:
        json.dumps(item.raw, allow_nan=False, ensure_ascii=False).encode()
        assert "\x00" not in json.dumps(item.raw, ensure_ascii=False)
    positions = [item.position for item in parsed.items]
    assert len(set(positions)) == len(positions)


@given(st.binary())
def test_no_bytes_raise(body: bytes) -> None:
    assert_sound(parse_webhook(body))


@given(JSON)
def test_no_json_raises(payload: Any) -> None:
    assert_sound(parse_webhook(json.dumps(payload).encode()))
    assert_sound(parse_webhook(json.dumps({"entry": payload}).encode()))


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_reading_twice_gives_the_same(path: Path) -> None:
    parsed = parse_webhook(path.read_bytes())
    assert parsed == parse_webhook(path.read_bytes())
    assert parsed.unreadable is None
    assert parsed.items
    assert_sound(parsed)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to every part of a JSON value."""
    found = [path]
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(part, (*path, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of the value with another part at the path."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=400)
@given(data=st.data())
def test_no_mutated_webhook_raises_or_costs_the_other_entries(data: st.DataObject) -> None:
    payload = json.loads(data.draw(st.sampled_from(PAYLOADS)).read_bytes())
    path = data.draw(st.sampled_from([place for place in places(payload) if place]))
    mutated = replaced(payload, path, data.draw(JSON))
    assert_sound(parse_webhook(json.dumps(mutated).encode()))
    if isinstance(mutated["entry"], list) and path != ("object",):
        # A sound message must come through whatever stands before it.
        sound = json.loads(message(text={"body": "alive"}))["entry"]
        mutated["entry"] = mutated["entry"] + sound
        last = parse_webhook(json.dumps(mutated).encode()).items[-1]
        assert isinstance(last, InboundMessage)
        assert last.text == "alive"


@given(JSON)
def test_storable_keeps_what_was_sound_already(value: Any) -> None:
    once = storable(value)
    assert storable(once) == once
