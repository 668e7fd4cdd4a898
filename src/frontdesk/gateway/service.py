"""`complete`: one prompt to one usable answer, over retries, models, a breaker and a deadline."""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from opentelemetry import trace
from opentelemetry.trace import Span

from frontdesk.billing import (
    TokenUsage,
    UnitPrices,
    UsageKind,
    UsageRecord,
    cost_usd,
    price_of,
)
from frontdesk.core import ids
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.gateway import litellm_adapter
from frontdesk.gateway.attempts import Attempt, Outcome, ProviderCall
from frontdesk.gateway.breaker import Breaker
from frontdesk.gateway.call_log import CallLog
from frontdesk.gateway.errors import ModelsUnavailable, PromptRejected
from frontdesk.gateway.routing import GiveUp, Tried, next_step
from frontdesk.gateway.schemas import Completion, CompletionRequest
from frontdesk.observability import LlmCallRecord

log = structlog.get_logger(__name__)
tracer = trace.get_tracer("frontdesk.gateway")

# What people read should vary; everything else is a decision and should not.
FREE_TEXT_FEATURES = frozenset({"reply", "suggestion"})
# An attempt ends this long before the deadline, so that it is seen to end and is recorded.
_MARGIN_SECONDS = 0.02
_ALARM_EVERY_SECONDS = 60.0
# A call that had less than this share of an attempt's time and was not answered says nothing of its
# model: else one that hangs would use up the time and so bring the breaker of the next one down.
_FAIR_SHARE_OF_TIME = 0.5
_CORRECTION = (
    "Your previous answer could not be used: {error}. "
    "Answer again, completely and exactly in the form asked for."
)


class Door:
    """What the calls of one process share."""

    def __init__(self, resources: Resources) -> None:
        self.slots = asyncio.Semaphore(resources.settings.llm.max_in_flight)
        self.breaker = Breaker(resources.redis)
        self.call_log = CallLog(resources)
        self.alarmed_at: dict[str, float] = {}


@dataclass
class _Course:
    """How one request has gone so far."""

    request: CompletionRequest
    deadline: float  # On the event loop's clock.
    request_id: UUID = field(default_factory=ids.new)
    tried: list[Tried] = field(default_factory=list)
    call_ids: list[UUID] = field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    # Written once there is an answer to complain about: no prompt that gave garbage goes out again.
    correction: str | None = None
    output_factor: int = 1


async def complete(resources: Resources, request: CompletionRequest) -> Completion:
    """Get a usable answer to a prompt from the first model that gives one.

    Each attempt leaves one `llm_call` row, and a ledger entry when it was billed. Nothing is held in
    the database while a model is at work. Cancelling the caller cancels the call at once.

    Raises:
        ModelsUnavailable: no model gave a usable answer before the deadline.
        PromptRejected: the models refuse this very prompt.
        Unavailable: the database is down, so the call can't be accounted for.
    """
    door = resources.keep(Door)
    llm = resources.settings.llm
    loop = asyncio.get_running_loop()
    began = loop.time()
    course = _Course(request, began + (request.deadline_seconds or llm.deadline_seconds))
    try:
        async with asyncio.timeout_at(course.deadline):
            attempt, recorded = await _run(resources, door, course)
    except TimeoutError:
        raise ModelsUnavailable(
            _told("No model answered before the deadline", course),
            attempts=len(course.call_ids),
        ) from None
    # After the deadline's scope: an answer that was paid for is not thrown away while it is written.
    await asyncio.shield(recorded)
    assert attempt.text is not None
    return Completion(
        request_id=course.request_id,
        text=attempt.text,
        parsed=attempt.parsed,
        model=course.tried[-1].model,
        input_tokens=course.input_tokens,
        output_tokens=course.output_tokens,
        cost_usd=course.cost_usd,
        latency_seconds=loop.time() - began,
        attempts=len(course.call_ids),
        call_ids=tuple(course.call_ids),
        failures=_failures(course),
    )


async def close(resources: Resources) -> None:
    """Write what is still to be recorded and close the connections to providers."""
    await resources.keep(Door).call_log.drain()
    await litellm_adapter.close()


async def _run(
    resources: Resources, door: Door, course: _Course
) -> tuple[Attempt, asyncio.Future[None]]:
    llm = resources.settings.llm
    loop = asyncio.get_running_loop()
    chain = tuple(dict.fromkeys(course.request.models or llm.chain))
    while True:
        step = next_step(
            chain,
            course.tried,
            remaining_seconds=course.deadline - loop.time(),
            attempts_per_model=llm.attempts_per_model,
            jitter=random.random,
        )
        if isinstance(step, GiveUp):
            raise _refusal(course, step)
        if step.wait_seconds:
            await asyncio.sleep(step.wait_seconds)
        admission = await door.breaker.admit(step.model)
        if admission.is_open:
            course.tried.append(Tried(step.model, Outcome.BREAKER_OPEN, admission.wait_seconds))
            continue
        try:
            # Read before the model is paid, so that a database that is down costs no tokens.
            prices = await price_of(resources, step.model, datetime.now(UTC))
            async with door.slots:
                call = _provider_call(resources.settings, course, step.model, loop.time())
                attempt, recorded = await _attempt(resources, door, course, call, prices)
        except BaseException:  # Cancelled, mostly; what was let through to try must not stay out.
            await door.breaker.withdraw(step.model, admission)
            raise
        course.tried.append(Tried(step.model, attempt.outcome, attempt.retry_after_seconds))
        fair_seconds = llm.attempt_timeout_seconds * _FAIR_SHARE_OF_TIME
        if attempt.outcome is Outcome.TIMEOUT and call.timeout_seconds < fair_seconds:
            await door.breaker.withdraw(step.model, admission)
        else:
            await door.breaker.settle(
                step.model, attempt.outcome, admission, attempt.retry_after_seconds
            )
        if attempt.outcome is Outcome.OK:
            return attempt, recorded
        await asyncio.shield(recorded)
        if attempt.outcome is Outcome.GARBAGE:
            course.correction = attempt.error
            if attempt.finish_reason == "length":
                course.output_factor = 2


async def _attempt(
    resources: Resources,
    door: Door,
    course: _Course,
    call: ProviderCall,
    prices: UnitPrices | None,
) -> tuple[Attempt, asyncio.Future[None]]:
    """Make one attempt and begin to record it, also when the caller goes away meanwhile."""
    began = time.perf_counter()
    attempt = Attempt(Outcome.CANCELLED, error="the caller went away")
    with tracer.start_as_current_span(
        f"chat {call.model}",
        kind=trace.SpanKind.CLIENT,
        # An exception's text may hold the prompt.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            if _lacks_key(resources.settings, call):
                attempt = Attempt(
                    Outcome.CONFIGURATION, error="no API key is set for this provider"
                )
            else:
                attempt = await litellm_adapter.attempt(call)
        finally:
            seconds = time.perf_counter() - began
            recorded = _record(resources, door, course, call, attempt, prices, seconds)
            _describe(span, course.request, call, attempt)
    return attempt, recorded


def _provider_call(settings: Settings, course: _Course, model: str, now: float) -> ProviderCall:
    request, llm = course.request, settings.llm
    temperature = request.temperature
    if temperature is None and request.feature not in FREE_TEXT_FEATURES:
        temperature = 0.0
    limit = request.max_output_tokens
    api_key = api_base = None
    # Other providers take their keys and addresses from LiteLLM's own environment variables.
    match model.partition("/")[0]:
        case "groq":
            api_key, api_base = settings.groq_api_key, llm.groq_api_base
        case "openai":
            api_key, api_base = settings.openai_api_key, llm.openai_api_base
    return ProviderCall(
        model=model,
        messages=_corrected(request.messages, course.correction),
        schema=request.schema,
        temperature=temperature,
        max_output_tokens=None if limit is None else limit * course.output_factor,
        timeout_seconds=max(
            0.0, min(llm.attempt_timeout_seconds, course.deadline - now - _MARGIN_SECONDS)
        ),
        api_key=api_key.get_secret_value() if api_key else None,
        api_base=api_base,
    )


def _corrected(
    messages: tuple[Mapping[str, Any], ...], correction: str | None
) -> tuple[Mapping[str, Any], ...]:
    """The prompt, and what was wrong with the last answer to it at the end of the system message."""
    if correction is None:
        return messages
    advice = _CORRECTION.format(error=correction)
    first = messages[0] if messages else {}
    if first.get("role") != "system" or not isinstance(first.get("content"), str):
        return ({"role": "system", "content": advice}, *messages)
    return ({**first, "content": f"{first['content']}\n\n{advice}"}, *messages[1:])


def _lacks_key(settings: Settings, call: ProviderCall) -> bool:
    return call.api_key is None and call.model.partition("/")[0] in ("groq", "openai")


def _refusal(course: _Course, step: GiveUp) -> ModelsUnavailable | PromptRejected:
    attempts = len(course.call_ids)
    log.warning("llm_gave_up", feature=course.request.feature, failures=_failures(course))
    if step.rejected is not None:
        return PromptRejected(step.rejected, attempts=attempts)
    return ModelsUnavailable(
        _told("No model gave a usable answer", course),
        attempts=attempts,
        retry_after_seconds=step.retry_after_seconds,
    )


def _failures(course: _Course) -> tuple[str, ...]:
    """What went wrong with each attempt that failed, in order: `model: outcome`."""
    return tuple(
        f"{item.model}: {item.outcome}" for item in course.tried if item.outcome is not Outcome.OK
    )


def _told(sentence: str, course: _Course) -> str:
    failures = ", ".join(_failures(course))
    return f"{sentence} ({failures})." if failures else f"{sentence}."


def _record(
    resources: Resources,
    door: Door,
    course: _Course,
    call: ProviderCall,
    attempt: Attempt,
    prices: UnitPrices | None,
    seconds: float,
) -> asyncio.Future[None]:
    """Count the attempt everywhere it counts, and begin to write it."""
    request, metrics = course.request, resources.metrics
    call_id = ids.new()
    course.call_ids.append(call_id)
    usage = attempt.usage
    cost = None if usage is None else cost_usd(prices, usage)
    metrics.llm_calls.labels(call.model, request.feature, attempt.outcome.value).inc()
    metrics.llm_seconds.labels(call.model).observe(seconds)
    if attempt.outcome is Outcome.CONFIGURATION:
        _alarm(door, "llm_misconfigured", call.model, status_code=attempt.status_code)
    if usage is not None:
        course.input_tokens += usage.input_tokens
        course.output_tokens += usage.output_tokens
        tenant = str(request.tenant_id)
        metrics.llm_tokens.labels(tenant, call.model, "input").inc(usage.input_tokens)
        metrics.llm_tokens.labels(tenant, call.model, "output").inc(usage.output_tokens)
        if cost is None:
            course.cost_usd = None
            metrics.unpriced.labels(call.model).inc()
            _alarm(door, "llm_price_unknown", call.model)
        else:
            metrics.llm_cost_usd.labels(tenant, call.model).inc(float(cost))
            if course.cost_usd is not None:
                course.cost_usd += cost
    return door.call_log.write(
        request.tenant_id,
        _call_record(course, call_id, call, attempt, cost, seconds),
        None if usage is None else _usage_record(request, call_id, call, usage, prices, cost),
    )


def _call_record(
    course: _Course,
    call_id: UUID,
    call: ProviderCall,
    attempt: Attempt,
    cost: Decimal | None,
    seconds: float,
) -> LlmCallRecord:
    request, usage = course.request, attempt.usage
    return LlmCallRecord(
        id=call_id,
        request_id=course.request_id,
        attempt=len(course.call_ids),
        feature=request.feature,
        conversation_id=request.conversation_id,
        message_id=request.message_id,
        user_id=request.user_id,
        agent_id=request.agent_id,
        agent_version=request.agent_version,
        prompt_name=request.prompt_name,
        prompt_version=request.prompt_version,
        model_asked=call.model,
        model_used=attempt.model_used,
        messages=[dict(message) for message in call.messages],
        parameters=litellm_adapter.parameters(call),
        chunk_ids=list(request.chunk_ids),
        response=attempt.text,
        finish_reason=attempt.finish_reason,
        outcome=attempt.outcome.value,
        error=attempt.error,
        status_code=attempt.status_code,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        cached_input_tokens=usage.cached_input_tokens if usage else None,
        reasoning_tokens=attempt.reasoning_tokens,
        usage_known=attempt.usage_known,
        cost_usd=cost,
        latency_seconds=seconds,
    )


def _usage_record(
    request: CompletionRequest,
    call_id: UUID,
    call: ProviderCall,
    usage: TokenUsage,
    prices: UnitPrices | None,
    cost: Decimal | None,
) -> UsageRecord:
    return UsageRecord(
        kind=UsageKind.LLM,
        source_id=str(call_id),
        feature=request.feature,
        model=call.model,
        conversation_id=request.conversation_id,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        unit_prices=prices,
        amount_usd=cost,
    )


def _alarm(door: Door, event: str, model: str, **details: Any) -> None:
    """Log an alarm about a model, at most once a minute; the metrics count every case."""
    key, now = f"{event} {model}", time.monotonic()
    if now - door.alarmed_at.get(key, -_ALARM_EVERY_SECONDS) >= _ALARM_EVERY_SECONDS:
        door.alarmed_at[key] = now
        log.error(event, model=model, **details)


def _describe(span: Span, request: CompletionRequest, call: ProviderCall, attempt: Attempt) -> None:
    """Fill in the span (OpenTelemetry GenAI conventions); never the messages themselves."""
    if not span.is_recording():
        return
    known: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": call.model.partition("/")[0],
        "gen_ai.request.model": call.model,
        "gen_ai.request.temperature": call.temperature,
        "gen_ai.request.max_tokens": call.max_output_tokens,
        "gen_ai.response.model": attempt.model_used,
        "gen_ai.response.id": attempt.response_id,
        "gen_ai.prompt.name": request.prompt_name,
        "frontdesk.tenant_id": str(request.tenant_id),
        "frontdesk.feature": request.feature,
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
    if attempt.outcome is not Outcome.OK:
        known["error.type"] = attempt.outcome.value
        span.set_status(trace.Status(trace.StatusCode.ERROR))
    span.set_attributes({name: value for name, value in known.items() if value is not None})
