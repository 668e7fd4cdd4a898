"""The application's operations as they describe themselves: who may call them, what they take."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from frontdesk.core.api import Allow

Place = tuple[str | int, ...]
# What the name of a parameter or a field ends with when it names a row, a place in a list or a
# state: everything like that must be known to `things.py`.
_NAMES_SOMETHING = re.compile(
    r"(^|[_-])(id|ids|uuid|by|to|from|cursor|after|before|key|token|challenge|version|label|name|"
    r"wamid|slug|tenant|match|code|hash|ref|refs|url)$",
    re.IGNORECASE,
)


_TEXTS = {
    "uuid": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001",
    "date": "2099-01-01",
    "date-time": "2099-01-01T00:00:00Z",
}


@dataclass(frozen=True)
class Slot:
    """A place in a request that a value goes into: `where` is path, query, header or body."""

    where: str
    place: Place
    schema: dict[str, Any] = field(hash=False, compare=False)
    # What must be given, filled with this when it is no id.
    is_needed: bool = False
    sample: Any = field(default=None, hash=False, compare=False)

    @property
    def name(self) -> str:
        """The innermost name: of `("items", 0, "agent_id")` it is `agent_id`."""
        return next(str(part) for part in reversed(self.place) if isinstance(part, str))

    @property
    def names_something(self) -> bool:
        """Whether it looks as if it held an id; every parameter of a path does."""
        parts = [each for part in _parts(self.schema) for each in (part, part.get("items", {}))]
        is_uuid = any(each.get("format") == "uuid" for each in parts)
        return self.where == "path" or is_uuid or bool(_NAMES_SOMETHING.search(self.name))


@dataclass(frozen=True)
class Operation:
    """One method of one route."""

    id: str
    method: str
    path: str
    rule: Allow | None
    slots: tuple[Slot, ...] = field(repr=False)
    # The smallest body that is well formed; None when it takes none.
    body: Any = field(repr=False)
    body_schema: dict[str, Any] | None = field(repr=False)
    responses: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_unsafe(self) -> bool:
        return self.method != "GET"


def operations(app: FastAPI) -> list[Operation]:
    """Every operation of the application, from its description and its routes."""
    document = app.openapi()
    dependants: dict[str, Dependant] = {
        str(context.unique_id): context.dependant
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, APIRoute)
    }
    found = [
        _operation(document, path, method, described, dependants)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
    assert {operation.id for operation in found} == set(dependants), "a route hides from OpenAPI"
    return found


def _operation(
    document: dict[str, Any],
    path: str,
    method: str,
    described: dict[str, Any],
    dependants: dict[str, Dependant],
) -> Operation:
    resolve = Resolver(document)
    slots = [
        Slot(
            each["in"],
            (each["name"],),
            resolve(each["schema"]),
            each.get("required", False),
            resolve.sample(each["schema"]),
        )
        for each in described.get("parameters", ())
    ]
    media = described.get("requestBody", {}).get("content", {}).get("application/json")
    schema = resolve(media["schema"]) if media else None
    body = None
    if media and schema:
        examples = [each["value"] for each in media.get("examples", {}).values()]
        body = examples[0] if examples else resolve.sample(media["schema"])
        slots += resolve.body_slots(media["schema"])
    return Operation(
        id=described["operationId"],
        method=method.upper(),
        path=path,
        rule=_rule(dependants[described["operationId"]]),
        slots=tuple(slots),
        body=body,
        body_schema=schema,
        responses=described["responses"],
    )


def _rule(dependant: Dependant) -> Allow | None:
    """Who may call it; None is anybody."""
    if isinstance(dependant.call, Allow):
        return dependant.call
    return next(filter(None, map(_rule, dependant.dependencies)), None)


def _parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for inner in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _parts(inner)


class Resolver:
    """Follows references of an OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]

    def __call__(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema itself, its alternatives too."""
        if "$ref" in schema:
            named = self._schemas[schema["$ref"].rpartition("/")[2]]
            schema = {**named, **{key: v for key, v in schema.items() if key != "$ref"}}
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                schema = {**schema, word: [self(each) for each in schema[word]]}
        if isinstance(schema.get("items"), dict) and "$ref" in schema["items"]:
            schema = {**schema, "items": self(schema["items"])}
        return schema

    def sample(self, schema: dict[str, Any]) -> Any:
        """A small value that fits: an example where there is one, else what must be there."""
        schema = self(schema)
        if schema.get("examples"):
            return schema["examples"][0]
        if "default" in schema:
            return schema["default"]
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                return self.sample(schema[word][0])
        return self._sample_of_type(schema)

    def _sample_of_type(self, schema: dict[str, Any]) -> Any:
        kind = schema.get("type")
        if kind == "object":
            needed = schema.get("required", ())
            return {name: self.sample(schema["properties"][name]) for name in needed}
        if kind == "array":
            return [self.sample(schema["items"])] * schema.get("minItems", 0)
        if kind in ("integer", "number"):
            return schema.get("minimum", 1)
        if kind == "string":
            return _TEXTS.get(schema.get("format", ""), "x" * schema.get("minLength", 1))
        return False if kind == "boolean" else None

    def body_slots(self, schema: dict[str, Any], place: Place = ()) -> list[Slot]:
        """Every field of a body, those inside objects and lists too."""
        schema = self(schema)
        found = []
        for part in _parts(schema):
            if "properties" in part:
                for name, inner in part["properties"].items():
                    at = (*place, name)
                    found.append(Slot("body", at, self(inner)))
                    found += self.body_slots(inner, at)
        items = [each for part in _parts(schema) if isinstance(each := part.get("items"), dict)]
        for inner in items:
            if "properties" in self(inner):
                found += self.body_slots(inner, (*place, 0))
        return list({slot.place: slot for slot in found}.values())

    def objects(self, schema: dict[str, Any], place: Place = ()) -> list[Place]:
        """Where in a body an object stands, the body itself first."""
        schema = self(schema)
        here = [place] if "properties" in schema else []
        return here + [
            at
            for name, inner in schema.get("properties", {}).items()
            for at in self.objects(inner, (*place, name))
        ]


def put(body: Any, place: Place, value: Any) -> Any:
    """A copy of a body with a value at a place, making the objects and lists on the way."""
    if not place:
        return value
    head, *rest = place
    if isinstance(head, int):
        return [put(body[0] if body else None, tuple(rest), value)]
    made = json.loads(json.dumps(body)) if isinstance(body, dict) else {}
    made[head] = put(made.get(head), tuple(rest), value)
    return made
