"""What tests put into the scripted model's mouth, and what they learn from its record."""

import json
import math
from collections import deque
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from frontdesk.simulator.faults import FaultPlan, ModelFault
from frontdesk.simulator.gullible import obey
from frontdesk.simulator.model import Ask, answer
from frontdesk.simulator.world import Json, World

_REQUESTS_KEPT = 10_000
_BYTES_PER_TOKEN = 3.5  # A safe over-estimate in every script; characters / 4 is not.

Answer = str | Json | ModelFault
"""A text, an object (laid over the scripted answer), or something going wrong.

In an object the key `tool_calls` holds `{"name": …, "arguments": {…}}` items to call instead.
"""


@dataclass(frozen=True)
class ModelRequest:
    """One recorded call."""

    at: float
    provider: str
    schema_name: str | None
    body: Json
    authorization: str

    @property
    def messages(self) -> list[Json]:
        """The messages it carried."""
        return list(self.body.get("messages") or [])

    def view(self) -> Json:
        """As JSON, for the control API; without the key."""
        return {
            "at": self.at,
            "provider": self.provider,
            "schema": self.schema_name,
            "body": self.body,
        }


@dataclass(frozen=True)
class Billed:
    """One answer as the provider's bill has it: tokens, or seconds of a recording."""

    provider: str
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: int = 0


@dataclass
class _Rule:
    substring: str
    answer: Answer
    schema: str | None
    times: int | None


class ScriptedModel:
    """The model's script: prepared answers first, then rules, then what the facts say."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.faults: FaultPlan[ModelFault] = FaultPlan(world.settings.seed)
        self.requests: deque[ModelRequest] = deque(maxlen=_REQUESTS_KEPT)
        self.billed: deque[Billed] = deque(maxlen=_REQUESTS_KEPT)
        self.reset()

    def reset(self) -> None:
        """Forget prepared answers, faults, records and counts."""
        self.replies: deque[Answer] = deque()
        """Answers of the coming calls for `reply` (or plain text), first in first out."""
        self.reply: Answer | None = None
        """The answer of every call for `reply` nothing else is prepared for."""
        self._next: dict[str, deque[Answer]] = {}
        self._rules: list[_Rule] = []
        self.requests.clear()
        self.billed.clear()
        self.faults.clear(self._world.settings.seed)
        self.open_requests = 0
        self.most_open_requests = 0
        self.calls = 0

    def next(self, schema: str, answer: Answer, times: int = 1) -> None:
        """Prepare the answer of the next calls for that schema (`triage`, `handoff_packet`, …)."""
        self._next.setdefault(schema, deque()).extend([answer] * times)

    def on(
        self,
        substring: str,
        answer: Answer,
        *,
        schema: str | None = "reply",
        times: int | None = None,
    ) -> None:
        """Answer so whenever the contact's last messages contain that (in any case).

        Args:
            schema: of the calls it holds for; None for all.
            times: how often; None for always.
        """
        self._rules.append(_Rule(substring.casefold(), answer, schema, times))

    def asked(self, schema: str | None = "reply") -> list[ModelRequest]:
        """The recorded calls for one schema, oldest first."""
        return [request for request in self.requests if request.schema_name == schema]

    def record(self, provider: str, body: Json, ask: Ask, authorization: str) -> None:
        """Keep a call, unless recording is switched off."""
        self.calls += 1
        if self._world.settings.record_model_requests:
            request = ModelRequest(
                self._world.now(), provider, ask.schema_name, body, authorization
            )
            self.requests.append(request)

    def bill(self, provider: str, model: str, used: Json) -> None:
        """Put an answer on the bill, by the `usage` that goes out with it."""
        self.billed.append(
            Billed(
                provider,
                model,
                used.get("prompt_tokens", 0),
                used.get("completion_tokens", 0),
                used.get("seconds", 0),
            )
        )

    def say(self, ask: Ask) -> Json | str | ModelFault:
        """What is answered to this call."""
        prepared = self._prepared(ask)
        if prepared is None:
            return (self._world.settings.model_gullible and obey(ask)) or answer(ask)
        if isinstance(prepared, ModelFault):
            return prepared
        if isinstance(prepared, dict):
            if "tool_calls" in prepared or ask.schema is None:
                return prepared
            scripted = answer(ask)
            assert isinstance(scripted, dict)
            return {**scripted, **prepared}
        if ask.schema_name != "reply":
            return prepared
        scripted = answer(ask)
        assert isinstance(scripted, dict)
        sure = {"text": prepared, "action": "reply", "confidence": 0.95}
        return {**scripted, **{key: value for key, value in sure.items() if key in scripted}}

    def _prepared(self, ask: Ask) -> Answer | None:
        is_reply = ask.schema_name == "reply" or ask.schema is None
        waiting = self._next.get(ask.schema_name or "")
        if waiting:
            return waiting.popleft()
        if is_reply and self.replies:
            return self.replies.popleft()
        said = "\n".join(ask.burst).casefold()
        for rule in self._rules:
            fits = rule.schema in (None, ask.schema_name) or (rule.schema == "reply" and is_reply)
            if fits and rule.substring in said and rule.times != 0:
                if rule.times is not None:
                    rule.times -= 1
                return rule.answer
        return self.reply if is_reply else None


def completion(ask: Ask, said: Json | str | None, service_tier: str | None, now: float) -> Json:
    """A chat completion in the shape OpenAI and Groq share."""
    message, finish = _message(ask, said)
    result: Json = {
        "id": f"chatcmpl-{uuid4().hex[:24]}",
        "object": "chat.completion",
        "created": int(now),
        "model": ask.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": usage(ask, message),
        "system_fingerprint": "scripted",
    }
    if service_tier is not None:
        result["service_tier"] = service_tier
    return result


def _message(ask: Ask, said: Json | str | None) -> tuple[Json, str]:
    calls: list[Json] = []
    if isinstance(said, dict) and "tool_calls" in said:
        calls = said["tool_calls"]
    elif ask.answer_tool and said is not None:
        calls = [{"name": ask.answer_tool, "arguments": said}]
    if not calls:
        text, finish = as_text(said), "stop"
        if text is not None and ask.schema is None:
            text, finish = _ended(ask, text)
        return {"role": "assistant", "content": text}, finish
    tool_calls = [
        {
            "id": f"call_{uuid4().hex[:16]}",
            "type": "function",
            "function": {"name": call["name"], "arguments": as_text(call.get("arguments", {}))},
        }
        for call in calls
    ]
    return {"role": "assistant", "content": None, "tool_calls": tool_calls}, "tool_calls"


def _ended(ask: Ask, text: str) -> tuple[str, str]:
    """A plain text up to where it was to end, and why it ends there."""
    for stop in ask.stop:
        text = text.partition(stop)[0]
    most_bytes = math.floor(ask.limit * _BYTES_PER_TOKEN) if ask.limit else None
    cut = text.encode()[:most_bytes].decode(errors="ignore")
    return cut, "stop" if cut == text else "length"


def as_text(said: Any) -> str | None:
    """Content as the wire has it: structure is a string of JSON."""
    if said is None or isinstance(said, str):
        return said
    return json.dumps(said, ensure_ascii=False)


def usage(ask: Ask, message: Json) -> Json:
    """Token counts, estimated from UTF-8 bytes; never zero."""
    asked = sum(len(json.dumps(m, ensure_ascii=False).encode()) for m in ask.messages)
    told = message.get("content") or json.dumps(message.get("tool_calls") or "")
    prompt = math.ceil(asked / _BYTES_PER_TOKEN) or 1
    completed = math.ceil(len(told.encode()) / _BYTES_PER_TOKEN) or 1
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completed,
        "total_tokens": prompt + completed,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
