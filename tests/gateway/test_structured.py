"""Structured answers: what is asked for, and what is accepted."""

from enum import StrEnum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from frontdesk.gateway.structured import NotTheShape, read_answer, response_format, schema_name


class Mood(StrEnum):
    CALM = "calm"
    ANGRY = "angry"


class Fact(BaseModel):
    text: str = Field(min_length=1, max_length=200)
    message_id: str


class HandoffPacket(BaseModel):
    goal: str = Field(description="What the contact wants.")
    title: str | None = None
    mood: Mood = Mood.CALM
    facts: list[Fact] = []
    main_fact: Fact = Field(description="The one that matters.")
    kind: Literal["packet"] = "packet"


def test_the_name_is_the_class_in_snake_case() -> None:
    assert schema_name(HandoffPacket) == "handoff_packet"
    assert schema_name(Fact) == "fact"


def test_the_schema_is_strict_at_every_level() -> None:
    asked = response_format(HandoffPacket)["json_schema"]
    assert asked["strict"] is True

    def objects(schema: Any) -> list[dict[str, Any]]:
        if isinstance(schema, list):
            return [found for item in schema for found in objects(item)]
        if not isinstance(schema, dict):
            return []
        found = [item for value in schema.values() for item in objects(value)]
        return [schema, *found] if schema.get("type") == "object" else found

    shapes = objects(asked["schema"])
    assert len(shapes) == 2
    for shape in shapes:
        assert shape["additionalProperties"] is False
        assert shape["required"] == list(shape["properties"])
    text = str(asked["schema"])
    assert "maxLength" not in text
    assert "'default'" not in text


def test_a_property_may_be_called_like_a_keyword() -> None:
    schema = response_format(HandoffPacket)["json_schema"]["schema"]
    assert schema["properties"]["title"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert schema["properties"]["goal"]["description"] == "What the contact wants."
    assert schema["properties"]["main_fact"] == {"$ref": "#/$defs/Fact"}


FACT = '{"text": "Order 7 is late.", "message_id": "m1"}'


@pytest.mark.parametrize(
    "text",
    [
        FACT,
        f"\n {FACT} \n",
        f"```json\n{FACT}\n```",
        f"```\n{FACT}```",
        f"Here you are:\n{FACT}\nAnything else?",
    ],
)
def test_json_is_found_in_what_models_wrap_around_it(text: str) -> None:
    assert read_answer(Fact, text).text == "Order 7 is late."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "}",
        "I can't.",
        "{}",
        "[1]",
        '{"text": "", "message_id": "m1"}',
        '{"text": "a", "message_id": null}',
        FACT[:-4],
        '{"text": "half a pair \\ud83d", "message_id": "m1"}',
        '{"text": ' + "[" * 5_000,
    ],
)
def test_what_is_not_of_the_shape_is_refused(text: str) -> None:
    with pytest.raises(NotTheShape):
        read_answer(Fact, text)


def test_a_refusal_names_the_place_and_not_the_value() -> None:
    with pytest.raises(NotTheShape, match="message_id: Field required") as refused:
        read_answer(Fact, '{"text": "my card is 4111"}')
    assert "4111" not in str(refused.value)


def test_what_postgres_cannot_store_is_taken_out() -> None:
    assert read_answer(Fact, '{"text": "a\\u0000b", "message_id": "m1"}').text == "ab"
