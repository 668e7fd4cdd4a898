"""Requests to WhatsApp: to the right address, and within its limits."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.messaging.incoming_items import ContactKey
from frontdesk.messaging.outgoing import (
    Audio,
    Button,
    Buttons,
    ContactInfoRequest,
    Content,
    Document,
    Image,
    LinkButton,
    ListMenu,
    Location,
    LocationRequest,
    Reaction,
    Row,
    Section,
    Template,
    TemplateButton,
    Text,
    Video,
    flat,
    read_mark,
    template_message,
    text_message,
    to_wire,
)

ANA = ContactKey("385915550142", "HR.70000000000000000001")
BEN = ContactKey(None, "GB.70000000000000000002")


def wire(content: Content) -> Any:
    """The part of the request that the content makes, as JSON gives it back."""
    request = json.loads(json.dumps(to_wire(ANA, content, callback_data="o.1")))
    return request[request["type"]]


def test_a_text_goes_to_the_phone_number_when_it_is_known() -> None:
    assert text_message(ANA, "Hi!", callback_data="0192.1", reply_to="wamid.IN1") == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "385915550142",
        "context": {"message_id": "wamid.IN1"},
        "biz_opaque_callback_data": "0192.1",
        "type": "text",
        "text": {"body": "Hi!", "preview_url": False},
    }


def test_a_user_id_is_never_put_where_a_number_belongs() -> None:
    request = text_message(BEN, "Hi!", callback_data="0192.1")
    assert "to" not in request
    assert request["recipient"] == "GB.70000000000000000002"
    assert request["recipient_type"] == "individual"
    assert "context" not in request
    with pytest.raises(ValueError, match="digits only"):
        text_message(ContactKey("GB.70000000000000000002"), "Hi!", callback_data="1")
    with pytest.raises(ValueError, match="neither"):
        text_message(ContactKey(), "Hi!", callback_data="1")


@pytest.mark.parametrize("callback_data", ["", "x" * 513])
def test_callback_data_has_its_length(callback_data: str) -> None:
    with pytest.raises(ValueError, match="callback_data"):
        text_message(ANA, "Hi!", callback_data=callback_data)


@pytest.mark.parametrize("body", ["x", "x" * 4096, "🙂" * 4096])
def test_a_text_may_have_4096_characters(body: str) -> None:
    assert wire(Text(body=body))["body"] == body


@pytest.mark.parametrize("body", ["", " \n", "\x00", "x" * 4097])
def test_a_text_that_whatsapp_would_refuse_is_refused_here(body: str) -> None:
    with pytest.raises(ValueError, match="body"):
        text_message(ANA, body, callback_data="1")


def test_what_json_cannot_carry_is_cleaned() -> None:
    assert wire(Text(body="a\x00b\ud83d"))["body"] == "ab\ufffd"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Image(id="91"), {"id": "91"}),
        (
            Video(link="https://e.example/v.mp4", caption="Look"),
            {"link": "https://e.example/v.mp4", "caption": "Look"},
        ),
        (Document(id="92", filename="a.pdf"), {"id": "92", "filename": "a.pdf"}),
        (Audio(id="93", voice=True), {"id": "93", "voice": True}),
        (
            Location(latitude=45.8, longitude=16, name="Depot"),
            {"latitude": 45.8, "longitude": 16.0, "name": "Depot"},
        ),
        (
            Reaction(message_id="wamid.IN1", emoji="👍"),
            {"message_id": "wamid.IN1", "emoji": "👍"},
        ),
        (Reaction(message_id="wamid.IN1", emoji=""), {"message_id": "wamid.IN1", "emoji": ""}),
        (
            Buttons(
                body="Did that help?",
                footer="We are here all day",
                buttons=(Button(id="y", title="Yes"), Button(id="p", title="A person")),
            ),
            {
                "type": "button",
                "body": {"text": "Did that help?"},
                "footer": {"text": "We are here all day"},
                "action": {
                    "buttons": [
                        {"type": "reply", "reply": {"id": "y", "title": "Yes"}},
                        {"type": "reply", "reply": {"id": "p", "title": "A person"}},
                    ]
                },
            },
        ),
        (
            ListMenu(
                header="Slots",
                body="Pick one",
                button="Choose",
                sections=(Section(rows=(Row(id="1", title="10:00", description="Harbour"),)),),
            ),
            {
                "type": "list",
                "header": {"type": "text", "text": "Slots"},
                "body": {"text": "Pick one"},
                "action": {
                    "button": "Choose",
                    "sections": [
                        {"rows": [{"id": "1", "title": "10:00", "description": "Harbour"}]}
                    ],
                },
            },
        ),
        (
            LinkButton(body="Track it", display_text="Track", url="https://e.example/t/1"),
            {
                "type": "cta_url",
                "body": {"text": "Track it"},
                "action": {
                    "name": "cta_url",
                    "parameters": {"display_text": "Track", "url": "https://e.example/t/1"},
                },
            },
        ),
        (
            LocationRequest(body="Where are you?"),
            {
                "type": "location_request_message",
                "body": {"text": "Where are you?"},
                "action": {"name": "send_location"},
            },
        ),
        (
            ContactInfoRequest(body="May we call?"),
            {
                "type": "request_contact_info",
                "body": {"text": "May we call?"},
                "action": {"name": "request_contact_info"},
            },
        ),
    ],
    ids=lambda part: type(part).__name__,
)
def test_each_content_has_its_form(content: Content, expected: Any) -> None:
    assert wire(content) == expected


def buttons(*titles: str, **parts: Any) -> dict[str, Any]:
    made = [{"id": f"b{i}", "title": title} for i, title in enumerate(titles)]
    return {"body": "Well?", "buttons": made} | parts


def rows(*counts: int, **parts: Any) -> dict[str, Any]:
    numbers = iter(range(100))
    sections = [
        {"title": f"S{i}", "rows": [{"id": f"r{next(numbers)}", "title": "x"} for _ in range(n)]}
        for i, n in enumerate(counts)
    ]
    return {"body": "Pick", "button": "Open", "sections": sections} | parts


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (Buttons, buttons()),
        (Buttons, buttons("1", "2", "3", "4")),
        (Buttons, buttons("same", "same")),
        (Buttons, {"body": "?", "buttons": [{"id": "i", "title": t} for t in "ab"]}),
        (Buttons, buttons("x" * 21)),
        (Buttons, buttons("Yes", body="x" * 1025)),
        (Buttons, buttons("Yes", footer="x" * 61)),
        (Buttons, buttons("Yes", header="x" * 61)),
        (Buttons, buttons("Yes", colour="red")),
        (Buttons, {"body": "?", "buttons": [{"id": "x" * 257, "title": "t"}]}),
        (ListMenu, rows()),
        (ListMenu, rows(0)),
        (ListMenu, rows(6, 5)),
        (ListMenu, rows(1, button="x" * 21)),
        (ListMenu, rows(1, body="x" * 4097)),
        (ListMenu, rows(1, sections=[{"rows": [{"id": "1", "title": "x" * 25}]}])),
        (ListMenu, rows(1, sections=[{"rows": [{"id": "x" * 201, "title": "x"}]}])),
        (
            ListMenu,
            rows(1, sections=[{"rows": [{"id": "1", "title": "x", "description": "x" * 73}]}]),
        ),
        (ListMenu, rows(1, sections=[{"rows": [{"id": str(i), "title": "x"}]} for i in (1, 2)])),
        (ListMenu, rows(1, sections=[{"rows": [{"id": "1", "title": "x"}] * 2}])),
        (LinkButton, {"body": "b", "display_text": "t", "url": "javascript:alert(1)"}),
        (LinkButton, {"body": "b", "display_text": "x" * 21, "url": "https://e.example"}),
        (LocationRequest, {"body": "x" * 1025}),
        (ContactInfoRequest, {"body": ""}),
        (Image, {}),
        (Image, {"id": "1", "link": "https://e.example/i.png"}),
        (Image, {"id": "1", "caption": "x" * 1025}),
        (Audio, {"id": "1", "caption": "no"}),
        (Image, {"id": "1", "filename": "no.png"}),
        (Location, {"latitude": 91, "longitude": 0}),
        (Location, {"latitude": 0, "longitude": float("nan")}),
        (Template, {"name": "Not A Name", "language": "en"}),
        (Template, {"name": "n", "language": "en-US"}),
        (Template, {"name": "n", "language": "en", "body": ["\n"]}),
        (TemplateButton, {"index": 0}),
        (TemplateButton, {"index": 10, "payload": "p"}),
        (TemplateButton, {"index": 0, "payload": "p", "url_suffix": "u"}),
    ],
)
def test_what_breaks_a_limit_is_refused(kind: Any, parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        kind.model_validate(parts)


def test_a_refusal_does_not_quote_what_was_written() -> None:
    with pytest.raises(ValueError, match="body") as refused:
        Buttons.model_validate(buttons("Yes", body="my card number is 4111 " * 100))
    assert "4111" not in str(refused.value)


def test_a_template_takes_its_values_in_order_or_by_name() -> None:
    request = template_message(
        ANA, "order_ready", "en_US", ["Ana", "18"], callback_data="o.1", payloads=["STOP"]
    )
    assert request["template"] == {
        "name": "order_ready",
        "language": {"code": "en_US"},
        "components": [
            {
                "type": "body",
                "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "18"}],
            },
            {
                "type": "button",
                "sub_type": "quick_reply",
                "index": "0",
                "parameters": [{"type": "payload", "payload": "STOP"}],
            },
        ],
    }
    named = template_message(ANA, "order_ready", "en", {"customer": "Ana"}, callback_data="o.1")
    assert named["template"]["components"][0]["parameters"] == [
        {"type": "text", "parameter_name": "customer", "text": "Ana"}
    ]
    bare = template_message(ANA, "hello", "en", callback_data="o.1")
    assert bare["template"] == {"name": "hello", "language": {"code": "en"}}


def test_a_template_can_have_a_header_and_a_link() -> None:
    content = Template(
        name="track",
        language="de",
        header=("Order 18",),
        buttons=(TemplateButton(index=1, url_suffix="t/18"),),
    )
    assert wire(content)["components"] == [
        {"type": "header", "parameters": [{"type": "text", "text": "Order 18"}]},
        {
            "type": "button",
            "sub_type": "url",
            "index": "1",
            "parameters": [{"type": "text", "text": "t/18"}],
        },
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\r\n\r\nthree", "one two three"),
        ("a\tb", "a b"),
        ("a    b", "a    b"),
        ("a     b", "a    b"),
        ("  a\u2028b\x00 ", "a b"),
        ("a \n \n \n \n b", "a    b"),
    ],
)
def test_template_values_are_flattened(text: str, expected: str) -> None:
    assert flat(text) == expected
    content = Template(name="n", language="en", body=(text,))
    assert wire(content)["components"][0]["parameters"][0]["text"] == expected


@given(st.text(st.characters(codec=None)))
def test_flattened_text_never_breaks_the_rule(text: str) -> None:
    found = flat(text)
    assert "     " not in found
    assert not set(found) & set("\n\r\t")


def test_the_read_mark_shows_typing_only_when_asked() -> None:
    assert read_mark("wamid.IN1") == {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": "wamid.IN1",
    }
    assert read_mark("wamid.IN1", typing=True)["typing_indicator"] == {"type": "text"}
