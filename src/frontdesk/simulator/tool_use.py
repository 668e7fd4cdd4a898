"""Tools, as the scripted model uses them: chosen by their words, filled from what was written."""

import json
import re
from collections.abc import Sequence
from typing import Any

from frontdesk.simulator.facts import terms
from frontdesk.simulator.world import Json

_CODE = re.compile(r"\b(?=[\w-]*\d)[A-Za-z0-9][\w-]*\b")
_NUMBER = re.compile(r"\b\d+(?:\.\d+)?\b")
_MISSING = object()
_RESULTS = "<tool_results>"


def are_results(content: str) -> bool:
    """Whether a message of the user is not the contact's but what tools gave."""
    return _RESULTS in content


def choose(tools: Sequence[Json], text: str, *, knows: bool) -> Json | None:
    """A call of the first tool that fits the text and whose required arguments stand in it.

    Args:
        knows: whether the prompt answers the text already; then nothing is searched for.
    """
    about = terms(text)
    for tool in tools:
        name = str(tool.get("name", ""))
        if name == "search_knowledge":
            if not knows and about:
                return {"name": name, "arguments": {"query": text}}
            continue
        if name == "remember_fact":
            if "remember" in text.casefold():
                return {"name": name, "arguments": {"text": text}}
            continue
        said = terms(f"{name.replace('_', ' ')} {tool.get('description', '')}")
        arguments = _arguments(tool.get("parameters") or {}, text)
        if about & said and arguments is not None:
            return {"name": name, "arguments": arguments}
    return None


def _arguments(parameters: Json, text: str) -> Json | None:
    properties = parameters.get("properties") or {}
    found = {
        name: _argument(properties.get(name) or {}, text)
        for name in parameters.get("required") or ()
    }
    return None if _MISSING in found.values() else found


def _argument(schema: Json, text: str) -> Any:
    if options := schema.get("enum"):
        said = text.casefold()
        return next((option for option in options if str(option).casefold() in said), _MISSING)
    match schema.get("type"):
        case "integer" | "number":
            number = _NUMBER.search(text)
            return json.loads(number[0]) if number else _MISSING
        case "boolean":
            return True
        case _:
            code = _CODE.search(text)
            return code[0] if code else _MISSING


def read_result(content: str) -> str | None:
    """What a tool gave, in words; empty when there is nothing to tell, None when it failed."""
    if are_results(content):
        content = content.partition(_RESULTS)[2].partition("</tool_results>")[0].strip()
        content = content.splitlines()[-1] if content else "{}"
    try:
        result = json.loads(content)
    except ValueError:
        return content
    if not isinstance(result, dict) or "status" not in result:
        return content
    return _told(result.get("data")) if result["status"] == "ok" else None


def _told(data: Any) -> str:
    if isinstance(data, dict):
        return ", ".join(
            f"{name.replace('_', ' ')}: {_told(value)}" for name, value in data.items()
        )
    if isinstance(data, list):
        return " ".join(_told(item.get("text", item)) for item in data[:1])
    return "" if data is None else str(data)
