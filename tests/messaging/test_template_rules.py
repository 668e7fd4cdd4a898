"""What a template needs, whether it can be sent from a desk, and how it reads when filled in."""

from typing import Any

import pytest

from frontdesk.messaging.template_rules import Unfit, fill, placeholders, problem_of

BODY = {"type": "BODY", "text": "Hello {{1}}, your order {{2}}. {{1}}!"}
EXAMPLES = {"body_text": [["Ana", "4711"]]}
NAMED = {
    "type": "BODY",
    "text": "Hello {{customer}}.",
    "example": {"body_text_named_params": [{"param_name": "customer", "example": "Ana"}]},
}
HEADER = {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}"}
TRACK = {"type": "URL", "text": "Track", "url": "https://example.com/{{1}}", "example": ["abc"]}
BUTTONS = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Thanks"}, TRACK]}
CODE = {"type": "BUTTONS", "buttons": [{"type": "COPY_CODE", "text": "Copy", "example": "LAMP50"}]}
FOOTER = {"type": "FOOTER", "text": "Lumen & Oak"}


def test_each_place_is_asked_for_once_with_its_example() -> None:
    found = placeholders([HEADER, BODY | {"example": EXAMPLES}, BUTTONS])
    assert [(place.key, place.example) for place in found] == [
        ("header.1", None),
        ("body.1", "Ana"),
        ("body.2", "4711"),
        ("button.1", "abc"),
    ]
    assert [(place.key, place.example) for place in placeholders([NAMED])] == [
        ("body.customer", "Ana")
    ]


def test_it_is_filled_in_by_number_or_by_name() -> None:
    values = {"header.1": "4711", "body.2": "is\n packed", "body.1": "Ana", "button.1": "x1"}
    filled = fill("update", "en_US", [FOOTER, HEADER, BODY, BUTTONS], values)
    assert filled.text == (
        "Order 4711\n\nHello Ana, your order is  packed. Ana!\n\nLumen & Oak\n\n[Thanks] [Track]"
    )
    wire = filled.content.wire()
    assert [part["type"] for part in wire["components"]] == ["header", "body", "button"]
    assert [p["text"] for p in wire["components"][1]["parameters"]] == ["Ana", "is  packed"]
    assert wire["components"][2]["index"] == "1"
    named = fill("hello", "en", [NAMED], {"body.customer": "Bo {{1}}"})
    assert named.text == "Hello Bo {{1}}."
    assert named.content.wire()["components"][0]["parameters"] == [
        {"type": "text", "parameter_name": "customer", "text": "Bo {{1}}"}
    ]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "missing: body.1, body.2"),
        ({"body.1": "a", "body.2": "\n"}, "missing: body.2"),
        ({"body.1": "a", "body.2": "b", "header.1": "c"}, "unknown: header.1"),
        ({"body.1": "a", "body.2": "b" * 1025}, "too long: body.2"),
    ],
)
def test_values_that_do_not_fit_are_named(values: dict[str, str], told: str) -> None:
    with pytest.raises(Unfit, match=told):
        fill("update", "en_US", [BODY], values)


@pytest.mark.parametrize(
    ("status", "category", "components", "part", "says"),
    [
        ("APPROVED", "UTILITY", [HEADER, BODY, BUTTONS], None, None),
        ("APPROVED", "MARKETING", [BODY, CODE], None, None),
        ("IN_APPEAL", "UTILITY", [BODY], "status", "in appeal"),
        ("APPROVED", "AUTHENTICATION", [BODY], "sign_in_code", "signing in"),
        (
            "APPROVED",
            "UTILITY",
            [{"type": "HEADER", "format": "IMAGE"}, BODY],
            "header_file",
            "header",
        ),
        (
            "APPROVED",
            "UTILITY",
            [{"type": "HEADER", "format": "LOCATION"}, BODY],
            "header_place",
            "location",
        ),
        (
            "APPROVED",
            "UTILITY",
            [BODY, {"type": "BUTTONS", "buttons": [{"type": "FLOW"}]}],
            "flow_button",
            "button",
        ),
        (
            "APPROVED",
            "UTILITY",
            [BODY, {"type": "BUTTONS", "buttons": [{"type": "CATALOG"}]}],
            "button",
            "catalog",
        ),
        ("APPROVED", "UTILITY", [{"type": "CAROUSEL"}, BODY], "part", "carousel"),
        (
            "APPROVED",
            "UTILITY",
            [FOOTER, {"type": "BUTTONS", "buttons": "?"}],
            "no_text",
            "no text",
        ),
    ],
)
def test_what_can_not_be_sent_from_a_desk_says_why(
    status: str, category: str, components: list[Any], part: str | None, says: str | None
) -> None:
    problem = problem_of(status, category, components)
    if says is None:
        assert problem is None
    else:
        assert problem is not None
        assert problem.part == part
        assert says in problem.words


def test_a_code_to_copy_is_a_value_like_any_other() -> None:
    offer = [{"type": "BODY", "text": "Half price!"}, CODE]
    assert [(each.key, each.example) for each in placeholders(offer)] == [("button.0", "LAMP50")]
    wire = fill("offer", "en", offer, {"button.0": "LAMP25"}).content.wire()
    assert wire["components"] == [
        {
            "type": "button",
            "sub_type": "copy_code",
            "index": "0",
            "parameters": [{"type": "coupon_code", "coupon_code": "LAMP25"}],
        }
    ]
    with pytest.raises(Unfit, match=r"too long: button\.0"):
        fill("offer", "en", offer, {"button.0": "A" * 16})
