"""What a model may have done while it answers: the registry of one turn.

A tool never raises into the turn: what goes wrong is told to the model in the same form as what goes
right, and what only a person can mend ends the loop (`tool_loop.py`). Nothing a tool gives is an
instruction: it goes to the model as the content of a tool's message, as JSON.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from frontdesk.agent_config import BuiltInTool
from frontdesk.core.json import dumps, loads
from frontdesk.core.resources import Resources
from frontdesk.core.text import excerpt
from frontdesk.pipeline.asking import look_up
from frontdesk.pipeline.http_tool import call_http
from frontdesk.pipeline.tool_result import Result, Status
from frontdesk.pipeline.turn import Turn

Arguments = Mapping[str, Any]
# What a model is shown of a result.
RESULT_CHARACTERS = 4_000


class Wish(StrEnum):
    """What a built-in tool asks of the turn, which does it when it decides."""

    HAND_OFF = "hand_off"
    CLOSE = "close"
    REMEMBER = "remember"


@dataclass(frozen=True)
class Tool:
    """Something a model may ask for: how it is described, and what is done then."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    # Given checked arguments, and a key that is the same when the turn has to be run again.
    run: Callable[[Arguments, str], Awaitable[Result]]
    wish: Wish | None = None

    @property
    def definition(self) -> dict[str, Any]:
        """The tool in OpenAI's form."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }
        return {"type": "function", "function": function}


def registry(resources: Resources, turn: Turn) -> dict[str, Tool]:
    """The tools this turn's agent may use, by name."""
    listed = turn.agent.config.tools
    tools = [_built_in(resources, turn, name) for name in listed.built_in]
    for http in listed.http:

        async def run(arguments: Arguments, key: str, http: Any = http) -> Result:
            return await call_http(
                resources, turn, http, arguments, key=key, hosts=frozenset(listed.hosts)
            )

        tools.append(Tool(http.name, http.description, http.parameters, run))
    return {tool.name: tool for tool in tools}


def read_arguments(tool: Tool, text: str) -> Arguments | Result:
    """A call's arguments, or what is wrong with them.

    They are looked at whatever the provider promised: malformed ones arrive as `{}` from some.
    """
    try:
        arguments = loads(text or "{}")
    except ValueError:
        return Result(Status.INVALID_ARGUMENTS, message="The arguments are no JSON.")
    # Takes long to load, and few agents have tools.
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(tool.parameters, format_checker=_formats())
    errors = sorted(validator.iter_errors(arguments), key=str)
    if errors:
        wrong = "; ".join(f"{error.json_path}: {error.message}" for error in errors[:3])
        return Result(Status.INVALID_ARGUMENTS, message=excerpt(wrong, 500))
    checked: Arguments = arguments
    return checked


@lru_cache(maxsize=1)
def _formats() -> Any:
    """The checks of `format`: the same on every machine, whatever other packages it has."""
    from jsonschema import FormatChecker

    checker = FormatChecker(("date", "email", "ipv4", "ipv6", "uuid"))
    checker.checks("date-time", raises=ValueError)(_is_moment)
    return checker


def _is_moment(value: Any) -> bool:
    # Without an offset it could be any hour of a day (RFC 3339).
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def step_key(turn: Turn, tool: str, arguments: Arguments, times: int) -> str:
    """The key of a call: of this turn, this tool, these arguments, and the how-manieth such call.

    A turn that is run again after a crash may take other steps, so a step's place would be no
    sign of it; and when more messages have come meanwhile, it still begins with the same one.
    """
    claim = turn.claim
    what = dumps([claim.conversation_id, claim.handled_seq + 1, tool, arguments, times])
    return hashlib.sha256(what.encode()).hexdigest()[:40]


def feedback(result: Result) -> str:
    """What the model is told of a call."""
    told: dict[str, Any] = {"status": result.status}
    if result.data is not None:
        told["data"] = result.data
    if result.message:
        told["message"] = result.message
    text = dumps(told)
    if len(text) <= RESULT_CHARACTERS:
        return text
    beginning = dumps(result.data)[: RESULT_CHARACTERS - 200]
    return dumps({"status": result.status, "data": beginning, "message": "It was cut: too long."})


def _text_of(name: str, description: str) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": 500, "description": description}
    return {
        "type": "object",
        "properties": {name: text},
        "required": [name],
        "additionalProperties": False,
    }


def _built_in(resources: Resources, turn: Turn, name: BuiltInTool) -> Tool:
    async def search(arguments: Arguments, key: str) -> Result:
        found = await look_up(resources, turn, arguments["query"])
        facts = [{"title": chunk.title, "text": chunk.text} for chunk in found.chunks]
        known = "\n".join(f"{chunk.title}\n{chunk.text}" for chunk in found.chunks)
        return Result(Status.OK, data=facts or "Nothing is known about it.", known=known)

    async def note(arguments: Arguments, key: str) -> Result:
        return Result(Status.OK)

    match name:
        case BuiltInTool.SEARCH_KNOWLEDGE:
            return Tool(
                name,
                "Look up facts about the business that are not among those you were given.",
                _text_of("query", "What to look for, in a few words."),
                search,
            )
        case BuiltInTool.HAND_OFF:
            return Tool(
                name,
                "Pass the conversation to a person, now.",
                _text_of("reason", "Why a person is needed."),
                note,
                Wish.HAND_OFF,
            )
        case BuiltInTool.CLOSE:
            return Tool(
                name,
                "End the conversation with your answer, when the contact needs nothing more.",
                _text_of("reason", "Why it is done."),
                note,
                Wish.CLOSE,
            )
        case BuiltInTool.REMEMBER_FACT:
            return Tool(
                name,
                "Keep a fact the contact has told for later in this conversation.",
                _text_of("text", "The fact, in a short sentence that stands by itself."),
                note,
                Wish.REMEMBER,
            )
