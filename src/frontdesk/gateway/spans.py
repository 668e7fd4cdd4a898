"""An attempt at a model as a span, in the words of OpenTelemetry's GenAI conventions."""

from typing import Any

from opentelemetry.trace import Span

from frontdesk.core.json import dumps
from frontdesk.core.tracing import fail, tells_content
from frontdesk.gateway.attempts import Attempt, Outcome, ProviderCall
from frontdesk.gateway.providers import provider_of
from frontdesk.gateway.schemas import CompletionRequest


def name_of(call: ProviderCall) -> str:
    """What the span of an attempt is called."""
    return f"{_operation(call)} {call.model}"


def describe(span: Span, request: CompletionRequest, call: ProviderCall, attempt: Attempt) -> None:
    """Fill in the span; what was said only if the settings want it, masked as the model got it."""
    if not span.is_recording():
        return
    known: dict[str, Any] = {
        "gen_ai.operation.name": _operation(call),
        "gen_ai.provider.name": provider_of(call.model),
        "gen_ai.request.model": call.model,
        "gen_ai.request.temperature": call.temperature,
        "gen_ai.request.max_tokens": call.max_output_tokens,
        "gen_ai.response.model": attempt.model_used,
        "gen_ai.response.id": attempt.response_id,
        "gen_ai.prompt.name": request.prompt_name,
        "frontdesk.prompt_version": request.prompt_version,
        "frontdesk.tenant_id": str(request.tenant_id),
        "frontdesk.feature": request.feature,
        "frontdesk.outcome": attempt.outcome.value,
        "frontdesk.chunks": len(request.chunk_ids),
    }
    if attempt.finish_reason:
        known["gen_ai.response.finish_reasons"] = [attempt.finish_reason]
    if request.conversation_id:
        known["gen_ai.conversation.id"] = str(request.conversation_id)
    if attempt.usage:
        known["gen_ai.usage.input_tokens"] = attempt.usage.input_tokens
        known["gen_ai.usage.output_tokens"] = attempt.usage.output_tokens
        known["gen_ai.usage.cache_read.input_tokens"] = attempt.usage.cached_input_tokens
        known["gen_ai.usage.reasoning.output_tokens"] = attempt.reasoning_tokens
    if tells_content():
        known |= _content(call, attempt)
    span.set_attributes({name: value for name, value in known.items() if value is not None})
    if attempt.outcome is not Outcome.OK:
        fail(span, attempt.outcome.value)


def _operation(call: ProviderCall) -> str:
    return "embeddings" if call.embeds else "chat"


def _content(call: ProviderCall, attempt: Attempt) -> dict[str, str]:
    said = [message for message in call.messages if message["role"] != "system"]
    told = [message for message in call.messages if message["role"] == "system"]
    content = {
        "gen_ai.input.messages": dumps(
            [{"role": m["role"], "parts": [_part(m.get("content"))]} for m in said]
        )
    }
    if told:
        content["gen_ai.system_instructions"] = dumps([_part(m["content"]) for m in told])
    if attempt.text is not None:
        answer = {
            "role": "assistant",
            "parts": [_part(attempt.text)],
            "finish_reason": attempt.finish_reason or "stop",
        }
        content["gen_ai.output.messages"] = dumps([answer])
    return content


def _part(text: Any) -> dict[str, Any]:
    return {"type": "text", "content": text if isinstance(text, str) else dumps(text)}
