"""Structured answers: the schema a provider is asked for, and the reading of what it gave."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from frontdesk.core.json import loads
from frontdesk.core.text import clean

Shape = TypeVar("Shape", bound=BaseModel)

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FENCE = re.compile(r"^\s*```[a-zA-Z]*\s*\n?(.*?)\n?\s*```\s*$", re.DOTALL)
# Strict structured outputs refuse these keywords; what they say is checked here, after the answer.
_NOT_SENT = ("title", "default", "examples", "minLength", "maxLength", "format")


class NotTheShape(ValueError):
    """The text is no JSON of the shape asked for; the message names the places, not the values."""


@lru_cache(maxsize=256)
def response_format(schema: type[BaseModel]) -> Mapping[str, Any]:
    """OpenAI's `response_format` for this shape, strict, under the class's name in snake_case.

    Strict mode wants every property required and no others (OpenAI: structured outputs). What has
    a default of None stays nullable, so the model can still say "none".
    """
    return {
        "type": "json_schema",
        "json_schema": {
            "name": schema_name(schema),
            "schema": _strict(schema.model_json_schema()),
            "strict": True,
        },
    }


def in_order(recorded: Any) -> Any:
    """Recorded parameters with the properties of schemas in the order they were sent.

    Models answer in that order, and jsonb does not keep it; but a strict schema names every property
    in `required`, which is a list.
    """
    if isinstance(recorded, list):
        return [in_order(item) for item in recorded]
    if not isinstance(recorded, dict):
        return recorded
    made = {key: in_order(value) for key, value in recorded.items()}
    properties, required = made.get("properties"), made.get("required")
    if isinstance(properties, dict) and isinstance(required, list):
        first = {name: properties[name] for name in required if name in properties}
        made["properties"] = {**first, **properties}
    return made


def answer_tool(schema: type[BaseModel]) -> Mapping[str, Any]:
    """A tool that takes the answer as its arguments.

    Where models may call tools, not all providers let them be held to a form of the answer as well
    (Groq: structured outputs don't go with tool use). A tool for the answer is understood by all.
    """
    form = response_format(schema)["json_schema"]
    return {
        "type": "function",
        "function": {
            "name": form["name"],
            "description": "Give your answer. Call it once, when nothing else is needed.",
            "parameters": form["schema"],
        },
    }


def schema_name(schema: type[BaseModel]) -> str:
    """The class's name in snake_case: `HandoffPacket` is `handoff_packet`."""
    return _WORD.sub("_", schema.__name__).lower()


def read_answer(schema: type[Shape], text: str) -> Shape:
    """The answer as an instance of `schema`; a Markdown fence or words around the JSON are forgiven.

    Raises:
        NotTheShape: it is no JSON, or not of this shape.
    """
    fenced = _FENCE.match(text)
    body = fenced[1] if fenced else text.strip()
    if not body.startswith("{"):
        body = body[body.find("{") : body.rfind("}") + 1]
    try:
        if "\\u0000" not in body:
            return schema.model_validate_json(body)
        # Legal JSON that Postgres refuses once it is text.
        return schema.model_validate(_cleaned(loads(body)))
    except ValidationError as error:
        places = error.errors(include_url=False, include_input=False, include_context=False)
        raise NotTheShape(
            "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in places[:5])
        ) from None
    except (ValueError, RecursionError) as error:
        raise NotTheShape(f"not JSON: {error}") from None


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        # Strict mode takes no other keyword beside a reference.
        return {"$ref": schema["$ref"]}
    strict: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NOT_SENT:
            continue
        if key in ("properties", "$defs"):
            # Their keys are names, which may well be those of keywords.
            strict[key] = {name: _strict(item) for name, item in value.items()}
        elif key == "const":
            strict["enum"] = [value]
        else:
            strict[key] = _strict(value)
    if strict.get("type") == "object":
        strict["additionalProperties"] = False
        strict["required"] = list(strict.get("properties", {}))
    return strict


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    return value
