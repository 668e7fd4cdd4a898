"""The smallest value a JSON schema accepts."""

from typing import Any

from frontdesk.simulator.world import Json

_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "a@example.com",
    "uri": "https://example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_DEEPEST = 12  # A schema may refer to itself; nothing minimal is that deep.


def fill(schema: Json, text: str = "", *, root: Json | None = None, depth: int = 0) -> Any:
    """A value that is valid by the schema; free strings are taken from `text`."""
    root = schema if root is None else root
    if "$ref" in schema:
        schema = {
            **_resolve(root, schema["$ref"]),
            **{k: v for k, v in schema.items() if k != "$ref"},
        }
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for union in ("anyOf", "oneOf"):
        if schema.get(union):
            options = schema[union]
            nullable = any(option.get("type") == "null" for option in options)
            return None if nullable else fill(options[0], text, root=root, depth=depth + 1)
    if schema.get("allOf"):
        merged: Json = {}
        for part in schema["allOf"]:
            merged |= _resolve(root, part["$ref"]) if "$ref" in part else part
        return fill(merged, text, root=root, depth=depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = "null" if "null" in kind else kind[0]
    return _value(kind, schema, text, root, depth)


def _value(kind: str, schema: Json, text: str, root: Json, depth: int) -> Any:
    match kind:
        case "object":
            properties = schema.get("properties", {}) if depth < _DEEPEST else {}
            return {
                name: fill(part, text, root=root, depth=depth + 1)
                for name, part in properties.items()
            }
        case "array":
            item = schema.get("items", {})
            return [
                fill(item, text, root=root, depth=depth + 1)
                for _ in range(schema.get("minItems", 0))
            ]
        case "integer" | "number":
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return False
        case "null":
            return None
    return _string(schema, text)


def _number(schema: Json, *, whole: bool) -> int | float:
    low = schema.get("minimum", 0)
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + (1 if whole else 0.5)
    if "maximum" in schema:
        low = min(low, schema["maximum"])
    return int(low) if whole else float(low)


def _string(schema: Json, text: str) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 200)
    value = text[: min(longest, 200)].strip()
    return value.ljust(shortest, ".")


def _resolve(root: Json, reference: str) -> Json:
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)
