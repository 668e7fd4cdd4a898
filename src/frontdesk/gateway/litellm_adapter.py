"""The only module that knows LiteLLM: one attempt in, one `Attempt` out.

LiteLLM takes seconds and 130 MiB to import, so it is imported on first use and only in workers. Its
own retries, fallbacks, callbacks, cache and prices stay off: it makes exactly one HTTP request.
"""

import asyncio
import base64
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from frontdesk.billing import TokenUsage
from frontdesk.core.json import dumps
from frontdesk.core.text import clean, excerpt
from frontdesk.gateway.attempts import Attempt, Outcome, ProviderCall, Sound, ToolCall
from frontdesk.gateway.chat_schemas import SAMPLING
from frontdesk.gateway.structured import (
    NotTheShape,
    answer_tool,
    in_order,
    read_answer,
    response_format,
    schema_name,
)
from frontdesk.gateway.tokens import count_message_tokens, count_tokens

# LiteLLM keeps one client for each value of `timeout`, so it always gets the same one: a backstop.
# What really ends an attempt is `ProviderCall.timeout_seconds`, as a total and not per read.
_BACKSTOP_SECONDS = 600
_ERROR_CHARACTERS = 500
_REASONING_MODELS = "gpt-oss"
_EFFORT = "reasoning_effort"
_KIND_BY_STATUS = {
    401: Outcome.CONFIGURATION,
    403: Outcome.CONFIGURATION,
    404: Outcome.CONFIGURATION,
    408: Outcome.TIMEOUT,
    413: Outcome.CONTEXT_OVERFLOW,
    429: Outcome.RATE_LIMITED,
}


@dataclass(frozen=True)
class _LiteLLM:
    acompletion: Callable[..., Awaitable[Any]]
    atranscription: Callable[..., Awaitable[Any]]
    aembedding: Callable[..., Awaitable[Any]]
    close: Callable[[], Awaitable[None]]
    forget_clients: Callable[[], None]
    is_internal_call: ContextVar[bool]
    sends_once: Any
    blank_notes: Any
    context_window_exceeded: type[Exception]
    content_policy_violation: type[Exception]
    timeout: type[Exception]
    parameter_unknown: type[Exception]


async def warm() -> None:
    """Load the vocabulary and LiteLLM in a thread, so that no first message waits for seconds."""
    await asyncio.to_thread(count_tokens, "")
    await asyncio.to_thread(_load)


async def close() -> None:
    """Close the connections to providers; nothing to do where LiteLLM was never used."""
    if _load.cache_info().currsize:
        await _load().sends_once.close()
        await _load().close()
        # It keeps the closed ones, and would send this process's next call through them.
        _load().forget_clients()


def parameters(call: ProviderCall) -> dict[str, Any]:
    """What goes to the model besides the messages."""
    if call.sound is not None:
        return {"seconds": call.sound.seconds, "mime_type": call.sound.mime_type}
    if call.embeds:
        return {"texts": len(call.messages)}
    if call.recorded is not None:
        kept = {name: in_order(it) for name, it in call.recorded.items() if name != _EFFORT}
        # The one parameter that belongs to the model and not to the call.
        return kept | _effort(call, call.recorded.get(_EFFORT, "low"))
    given: dict[str, Any] = {"max_tokens": call.max_output_tokens}
    if call.temperature is not None:
        given["temperature"] = call.temperature
    if call.schema is not None and call.tools:
        given["tools"] = [*call.tools, answer_tool(call.schema)]
        given["tool_choice"] = "required"
    elif call.schema is not None:
        given["response_format"] = response_format(call.schema)
    # Enough for support answers; more costs seconds and output tokens.
    return given | dict(call.sampling or {}) | _effort(call, "low")


def _is_of_a_program(recorded: Mapping[str, Any]) -> bool:
    """Whether an earlier call was a program's: all of our own want an answer of a certain shape."""
    return not {"response_format", "tools"} & recorded.keys()


def _sampling(call: ProviderCall) -> Mapping[str, Any]:
    """The caller's own parameters, now or in the earlier call that is made again."""
    if call.recorded is None:
        return call.sampling or {}
    if not _is_of_a_program(call.recorded):
        return {}
    return {name: call.recorded[name] for name in SAMPLING if name in call.recorded}


def _effort(call: ProviderCall, effort: str) -> dict[str, Any]:
    return {_EFFORT: effort} if _REASONING_MODELS in call.model else {}


async def attempt(call: ProviderCall) -> Attempt:
    """Send the call once and tell what came of it; raises nothing but the caller's cancellation."""
    litellm = _load() if _load.cache_info().currsize else await asyncio.to_thread(_load)
    # Suppresses LiteLLM's own logging of the call, a fifth of its CPU: nobody listens to it.
    token = litellm.is_internal_call.set(True)
    try:
        async with asyncio.timeout(call.timeout_seconds):
            if call.sound is not None:
                return _heard(call.sound, await _listen(litellm, call, call.sound))
            if call.embeds:
                return _embedded(call, await _embed(litellm, call))
            response = await litellm.acompletion(
                model=call.wire_model,
                messages=_messages(call),
                api_key=call.api_key,
                api_base=call.api_base,
                timeout=_BACKSTOP_SECONDS,
                num_retries=0,
                max_retries=0,
                # A model that knows no temperature is still asked, unless a caller wants a certain one.
                drop_params=not _sampling(call),
                _skip_mcp_handler=True,
                litellm_logging_obj=litellm.blank_notes.for_a_call(),
                **_client(litellm, call),
                **parameters(call),
            )
    except TimeoutError:
        return Attempt(
            Outcome.TIMEOUT, error=f"no answer within {call.timeout_seconds:.1f} seconds"
        )
    except Exception as error:  # Whatever LiteLLM raises is an answer to classify.
        return _failed(litellm, error)
    finally:
        litellm.is_internal_call.reset(token)
    return _answered(call, response)


def _client(litellm: _LiteLLM, call: ProviderCall) -> dict[str, Any]:
    # OpenAI's dialect is spoken by OpenAI's own library, which has its own client.
    return {} if call.wire_model.startswith("openai/") else {"client": litellm.sends_once}


def _messages(call: ProviderCall) -> list[dict[str, Any]]:
    # Copies: LiteLLM changes the messages it is given.
    messages = [dict(message) for message in call.messages]
    if call.picture is not None:
        data = base64.b64encode(call.picture.content).decode()
        shown = {"url": f"data:{call.picture.mime_type};base64,{data}"}
        messages[-1]["content"] = [
            {"type": "text", "text": messages[-1]["content"]},
            {"type": "image_url", "image_url": shown},
        ]
    return messages


async def _listen(litellm: _LiteLLM, call: ProviderCall, sound: Sound) -> Any:
    return await litellm.atranscription(
        model=call.wire_model,
        file=(sound.filename, sound.content, sound.mime_type),
        api_key=call.api_key,
        api_base=call.api_base,
        timeout=_BACKSTOP_SECONDS,
        num_retries=0,
        max_retries=0,
        drop_params=True,
    )


def _heard(sound: Sound, response: Any) -> Attempt:
    """What is said in a recording; nothing is an answer too."""
    text = getattr(response, "text", None)
    if not isinstance(text, str):
        return Attempt(Outcome.GARBAGE, error="there was no text", status_code=200)
    usage = getattr(response, "usage", None)
    tokens = getattr(usage, "input_tokens", None)
    seconds = getattr(usage, "seconds", None) or getattr(response, "duration", None)
    if tokens:
        used = TokenUsage(int(tokens), int(getattr(usage, "output_tokens", None) or 0))
    else:
        used = TokenUsage(math.ceil(seconds or sound.seconds), 0)
    return Attempt(
        Outcome.OK,
        text=clean(text).strip(),
        usage=used,
        usage_known=bool(tokens or seconds),
        counts_seconds=not tokens,
        status_code=200,
    )


async def _embed(litellm: _LiteLLM, call: ProviderCall) -> Any:
    return await litellm.aembedding(
        model=call.wire_model,
        input=[str(message["content"]) for message in call.messages],
        api_key=call.api_key,
        api_base=call.api_base,
        # Some that speak OpenAI's protocol know no other.
        encoding_format="float",
        timeout=_BACKSTOP_SECONDS,
        num_retries=0,
        max_retries=0,
    )


def _embedded(call: ProviderCall, response: Any) -> Attempt:
    """A vector for each text, in their order, all of one length; else it is garbage."""
    data = sorted(getattr(response, "data", None) or (), key=lambda item: item["index"])
    vectors = tuple(tuple(map(float, item["embedding"])) for item in data)
    lengths = {len(vector) for vector in vectors}
    if len(vectors) != len(call.messages) or len(lengths) != 1 or 0 in lengths:
        return Attempt(Outcome.GARBAGE, error="there was not a vector for each", status_code=200)
    usage = getattr(response, "usage", None)
    tokens = getattr(usage, "prompt_tokens", None)
    return Attempt(
        Outcome.OK,
        text=f"[{len(vectors)} vectors of {lengths.pop()} numbers]",
        vectors=vectors,
        usage=TokenUsage(tokens or count_message_tokens(call.messages), 0),
        usage_known=bool(tokens),
        model_used=getattr(response, "model", None),
        status_code=200,
    )


@lru_cache(maxsize=1)
def _load() -> _LiteLLM:
    # First, as it says what LiteLLM reads at import.
    from frontdesk.gateway.litellm_parts import NoNotes, SendsOnce  # isort: split

    import litellm as library
    from litellm._internal_context import is_internal_call

    litellm: Any = library  # What is set and read below is not in its declared types.
    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    # Without it a Groq answer that lacks `service_tier` raises, as if Groq were down.
    litellm.types.utils.ModelResponse.service_tier = None
    # It would price each call from its own map, a fifth of its CPU; our price table does that.
    litellm.response_cost_calculator = _do_nothing
    # Its own notes on an answer, which nobody reads, are a tenth.
    litellm.utils.update_response_metadata = _do_nothing
    # Two vocabularies of its own: it would load one with the first call (38 MiB), and keeps the file
    # of the other parsed (13 MiB). What a provider has not counted is counted with ours.
    litellm.main.encoding = None
    litellm.utils.json_data = None
    return _LiteLLM(
        acompletion=litellm.acompletion,
        atranscription=litellm.atranscription,
        aembedding=litellm.aembedding,
        close=litellm.close_litellm_async_clients,
        forget_clients=litellm.in_memory_llm_clients_cache.flush_cache,
        is_internal_call=is_internal_call,
        sends_once=SendsOnce(),
        blank_notes=NoNotes.blank(),
        context_window_exceeded=litellm.ContextWindowExceededError,
        content_policy_violation=litellm.ContentPolicyViolationError,
        timeout=litellm.Timeout,
        parameter_unknown=litellm.UnsupportedParamsError,
    )


def _do_nothing(**_: Any) -> None:
    return None


def _answered(call: ProviderCall, response: Any) -> Attempt:
    """The provider's 200 as an `Attempt`: usable, refused or garbage."""
    choice = next(iter(getattr(response, "choices", None) or ()), None)
    message = getattr(choice, "message", None)
    recorded = call.recorded or {}
    shaped = call.schema is not None or "response_format" in recorded
    text = _text_of(message, wants_arguments=shaped)
    tool_calls: tuple[ToolCall, ...] = ()
    if tools := call.tools or recorded.get("tools"):
        # The answer's tool is the last of those that were sent.
        answer = schema_name(call.schema) if call.schema else tools[-1]["function"]["name"]
        text, tool_calls = _tools_of(answer, message, text)
    finish_reason = getattr(choice, "finish_reason", None)
    usage, usage_known, reasoning_tokens = _usage_of(call, response, text)
    outcome, parsed = Outcome.OK, None
    error = _fault_of(call, choice, finish_reason, text)
    if call.recorded is not None and text is not None and text.strip():
        error = None  # Cut off or not, it is what such a call gives.
    if finish_reason == "content_filter" or _refusal_of(message):
        outcome, error = Outcome.CONTENT_FILTER, "the model refused the content"
    elif error is not None:
        outcome = Outcome.GARBAGE
    elif text is None:
        text = ""
    elif call.schema is not None and not tool_calls:
        try:
            parsed = read_answer(call.schema, text)
        except NotTheShape as reason:
            outcome, error = Outcome.GARBAGE, excerpt(clean(str(reason)), _ERROR_CHARACTERS)
    return Attempt(
        outcome,
        text=text,
        parsed=parsed,
        finish_reason=finish_reason,
        model_used=getattr(response, "model", None),
        response_id=getattr(response, "id", None),
        usage=usage,
        usage_known=usage_known,
        reasoning_tokens=reasoning_tokens,
        error=error,
        status_code=200,
        tool_calls=tool_calls,
    )


def _fault_of(
    call: ProviderCall, choice: Any, finish_reason: str | None, text: str | None
) -> str | None:
    if choice is None:
        return "there were no choices"
    if finish_reason == "length":
        may_be_cut = call.may_be_cut if call.recorded is None else _is_of_a_program(call.recorded)
        return None if may_be_cut else "it was cut off at the output limit"
    # Where the caller says what ends an answer, it may end before its first word.
    if not (text and text.strip()) and "stop" not in _sampling(call):
        return "it was empty"
    return None


def _text_of(message: Any, *, wants_arguments: bool) -> str | None:
    content = getattr(message, "content", None)
    if isinstance(content, str) and content.strip():
        return clean(content)
    calls = getattr(message, "tool_calls", None)
    if wants_arguments and calls:
        # Where a model has no structured outputs, the schema goes out as a forced tool.
        arguments = calls[0].function.arguments
        return clean(arguments) if isinstance(arguments, str) else None
    return None


def _tools_of(
    answer: str, message: Any, text: str | None
) -> tuple[str | None, tuple[ToolCall, ...]]:
    """What the model says, by the tool `answer`, and the tools it wants called: one or the other."""
    calls = tuple(
        ToolCall(
            id=str(item.id),
            name=clean(str(item.function.name)),
            arguments=clean(item.function.arguments or ""),
        )
        for item in getattr(message, "tool_calls", None) or ()
    )
    for item in calls:
        if item.name == answer:
            return item.arguments, ()
    if not calls:
        return text, ()
    wanted = [{"tool": item.name, "arguments": item.arguments} for item in calls]
    return dumps({"tool_calls": wanted}), calls


def _refusal_of(message: Any) -> str | None:
    fields = getattr(message, "provider_specific_fields", None) or {}
    refusal = getattr(message, "refusal", None) or fields.get("refusal")
    return refusal if isinstance(refusal, str) else None


def _usage_of(
    call: ProviderCall, response: Any, text: str | None
) -> tuple[TokenUsage, bool, int | None]:
    usage = getattr(response, "usage", None)
    input_tokens = getattr(usage, "prompt_tokens", None) or 0
    output_tokens = getattr(usage, "completion_tokens", None) or 0
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None) or 0
    if not input_tokens or (text and not output_tokens):
        # LiteLLM reports missing usage as 0 tokens. A prompt is never empty, nor is what holds a
        # text, and neither is ever free: what was not said is counted here.
        counted = TokenUsage(
            input_tokens or count_message_tokens(call.messages),
            output_tokens or count_tokens(text or ""),
            cached,
        )
        return counted, False, None
    details = getattr(usage, "completion_tokens_details", None)
    reasoning = getattr(details, "reasoning_tokens", None)
    return TokenUsage(input_tokens, output_tokens, cached), True, reasoning


def _failed(litellm: _LiteLLM, error: Exception) -> Attempt:
    """LiteLLM's exception as an `Attempt`: by status code first, since its classes mislead."""
    status = getattr(error, "status_code", None)
    message = str(getattr(error, "message", None) or error)
    if isinstance(error, litellm.parameter_unknown):
        # Its advice on its own settings is of no use to a caller. Nothing was sent.
        said = message.removeprefix("litellm.UnsupportedParamsError: ").partition(" To drop")[0]
        return Attempt(Outcome.BAD_REQUEST, error=excerpt(said.rstrip("."), _ERROR_CHARACTERS))
    return Attempt(
        _kind_of(litellm, error, status, message.lower()),
        error=excerpt(clean(message), _ERROR_CHARACTERS),
        status_code=status if isinstance(status, int) else None,
        retry_after_seconds=_retry_after(getattr(error, "litellm_response_headers", None)),
    )


def _kind_of(litellm: _LiteLLM, error: Exception, status: int | None, message: str) -> Outcome:
    if isinstance(error, litellm.timeout):
        return Outcome.TIMEOUT
    # A refused connection and broken JSON come as 500, a 401 of OpenAI or Groq as BadRequestError.
    if status in _KIND_BY_STATUS:
        return _KIND_BY_STATUS[status]
    if status is None or not 400 <= status < 500:
        return Outcome.PROVIDER_DOWN
    code = str(getattr(error, "code", None) or "") + str(getattr(error, "body", None) or "")
    said = message + code.lower()
    if isinstance(error, litellm.context_window_exceeded) or "context_length_exceeded" in said:
        return Outcome.CONTEXT_OVERFLOW
    if isinstance(error, litellm.content_policy_violation) or "content_filter" in said:
        return Outcome.CONTENT_FILTER
    # Groq's word for an answer of the model's that is not of the schema.
    return Outcome.GARBAGE if "json_validate_failed" in said else Outcome.BAD_REQUEST


def _retry_after(headers: Mapping[str, Any] | None) -> float | None:
    """Seconds of a `Retry-After`, which may be a number or a date (RFC 9110, 10.2.3)."""
    if not headers:
        return None
    value = str(headers.get("retry-after") or "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(time.time(), UTC)).total_seconds())
