"""What holds for every operation there is, read off its description."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI


def _operations(app: FastAPI) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/api/"):
                yield f"{method.upper()} {path}", operation


def _schemas(app: FastAPI, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    # A body that may be left out is one of two: itself, or null. Another may be one of several.
    schema = schema.get("anyOf", [schema])[0]
    if "oneOf" in schema:
        for one in schema["oneOf"]:
            yield from _schemas(app, one)
        return
    name = schema.get("$ref", "").rpartition("/")[2]
    yield app.openapi()["components"]["schemas"][name] if name else schema


def test_every_body_refuses_what_it_does_not_declare(app: FastAPI) -> None:
    bodies = [
        (where, body)
        for where, operation in _operations(app)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
        for body in _schemas(app, operation["requestBody"]["content"]["application/json"]["schema"])
    ]
    assert len(bodies) > 30
    for where, body in bodies:
        assert body.get("additionalProperties") is False, f"{where} takes anything"
        settable = body["properties"].keys() & {"tenant_id", "id", "cost_usd", "is_super_admin"}
        assert not settable, f"{where} lets its caller set {settable}"


def test_every_answer_declares_what_it_holds(app: FastAPI) -> None:
    seen = 0
    for where, operation in _operations(app):
        for status, answer in operation["responses"].items():
            content = answer.get("content", {}).get("application/json")
            if status.startswith("2") and content is not None:
                seen += 1
                assert content.get("schema"), f"{where} may answer anything"
    assert seen > 50


def test_no_list_gives_more_than_a_page(app: FastAPI) -> None:
    limits = {
        where: parameter["schema"]["maximum"]
        for where, operation in _operations(app)
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "limit"
    }
    assert len(limits) > 5
    assert max(limits.values()) <= 500
