"""`complete`: one prompt to one usable answer, over retries, models, a breaker and a deadline."""

import asyncio
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from opentelemetry import trace

from frontdesk.billing import (
    Account,
    BudgetReached,
    Ceiling,
    Refusal,
    Spender,
    UnitPrices,
    Wish,
    find_accounts,
    price_of,
    reserve,
)
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.gateway import litellm_adapter
from frontdesk.gateway.attempts import Attempt, Outcome, ProviderCall
from frontdesk.gateway.course import Course
from frontdesk.gateway.door import Door
from frontdesk.gateway.errors import ModelsUnavailable, PromptRejected
from frontdesk.gateway.estimating import known_or_assumed, worst_usage, worst_usd
from frontdesk.gateway.recording import Bill, describe, record
from frontdesk.gateway.routing import GiveUp, Tried, next_step
from frontdesk.gateway.schemas import Completion, CompletionRequest, Estimate

log = structlog.get_logger(__name__)
tracer = trace.get_tracer("frontdesk.gateway")

# What people read should vary; everything else is a decision and should not.
FREE_TEXT_FEATURES = frozenset({"reply", "suggestion"})
# An attempt ends this long before the deadline, so that it is seen to end and is recorded.
_MARGIN_SECONDS = 0.02
# A call that had less than this share of an attempt's time and was not answered says nothing of its
# model: else one that hangs would use up the time and so bring the breaker of the next one down.
_FAIR_SHARE_OF_TIME = 0.5
# After its deadline an attempt is recorded within this time, also by a database that is busy.
_RECORDED_WITHIN_SECONDS = 60
_CORRECTION = (
    "Your previous answer could not be used: {error}. "
    "Answer again, completely and exactly in the form asked for."
)


async def complete(resources: Resources, request: CompletionRequest) -> Completion:
    """Get a usable answer to a prompt from the first model that gives one.

    Each attempt leaves one `llm_call` row, and a ledger entry when it was billed. Nothing is held in
    the database while a model is at work. Cancelling the caller cancels the call at once.

    Raises:
        ModelsUnavailable: no model gave a usable answer before the deadline.
        PromptRejected: the models refuse this very prompt.
        BudgetReached: what it may cost does not fit a budget; no cheaper model fits it either.
        Unavailable: the database is down, so the call can't be accounted for.
    """
    door = resources.keep(Door)
    loop = asyncio.get_running_loop()
    began = loop.time()
    course = _course(resources, request)
    try:
        async with asyncio.timeout_at(course.deadline):
            course.accounts = await _accounts(resources, request)
            attempt, recorded = await _run(resources, door, course)
    except TimeoutError:
        raise ModelsUnavailable(
            course.told("No model answered before the deadline"),
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
        failures=course.failures,
        thrift=course.refusal.refusal.sentence if course.refusal and course.is_thrifty else None,
    )


async def estimate(resources: Resources, request: CompletionRequest) -> Estimate:
    """What a request takes at worst with the first model of its chain; nothing is sent.

    Raises:
        Unavailable: no prices have been read yet and the database is down.
    """
    course = _course(resources, request)
    call = _provider_call(resources.settings, course, course.chain[0], course.deadline)
    prices = await price_of(resources, call.model, datetime.now(UTC))
    usage = worst_usage(call)
    return Estimate(
        model=call.model,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        usd=None if prices is None else worst_usd(call, prices),
    )


async def close(resources: Resources) -> None:
    """Write what is still to be recorded and close the connections to providers."""
    await resources.keep(Door).call_log.drain()
    await litellm_adapter.close()


def _course(resources: Resources, request: CompletionRequest) -> Course:
    llm = resources.settings.llm
    began = asyncio.get_running_loop().time()
    return Course(
        request,
        began + (request.deadline_seconds or llm.deadline_seconds),
        chain=tuple(dict.fromkeys(request.models or llm.chain)),
    )


async def _run(
    resources: Resources, door: Door, course: Course
) -> tuple[Attempt, asyncio.Future[None]]:
    llm = resources.settings.llm
    loop = asyncio.get_running_loop()
    while True:
        step = next_step(
            course.chain,
            [item for item in course.tried if item.model in course.chain],
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
                bill = await _set_aside(resources, course, call, prices)
                attempt, recorded = await _attempt(resources, door, course, call, bill)
        except BudgetReached as error:
            await door.breaker.withdraw(step.model, admission)
            _go_thrifty(course, error, step.model, llm.cheaper_chain)
            continue
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
        if attempt.outcome is Outcome.GARBAGE and course.request.recorded is None:
            course.correction = attempt.error
            if attempt.finish_reason == "length":
                course.output_factor = 2


async def _accounts(resources: Resources, request: CompletionRequest) -> tuple[Account, ...]:
    return await find_accounts(
        resources,
        request.tenant_id,
        Spender(request.feature, request.conversation_id, request.contact_id),
    )


async def _set_aside(
    resources: Resources, course: Course, call: ProviderCall, prices: UnitPrices | None
) -> Bill:
    """What the call may cost at worst, taken from the budgets that concern it.

    Raises:
        BudgetReached: it does not fit.
    """
    if not course.accounts:
        return Bill(prices)
    llm = resources.settings.llm
    counted_as = known_or_assumed(prices, llm.unpriced_usd_per_million)
    if counted_as is None:
        raise BudgetReached(Refusal(course.accounts[0].cap, Ceiling.HARD, unpriced=call.model))
    saves = bool(llm.cheaper_chain) and course.may_save
    wish = Wish(
        course.accounts,
        worst_usd(call, counted_as),
        Ceiling.SOFT if saves else Ceiling.HARD,
    )
    reservation = await reserve(
        resources,
        course.request.tenant_id,
        wish,
        seconds=call.timeout_seconds + _RECORDED_WITHIN_SECONDS,
    )
    return Bill(prices, counted_as, reservation)


def _go_thrifty(
    course: Course, error: BudgetReached, model: str, cheaper_chain: tuple[str, ...]
) -> None:
    """Go on with cheaper models, or do without this one if it is of those."""
    course.refusal = error
    if cheaper_chain and course.may_save:
        course.is_thrifty, course.chain = True, cheaper_chain
    else:
        course.tried.append(Tried(model, Outcome.OVER_BUDGET))


async def _attempt(
    resources: Resources,
    door: Door,
    course: Course,
    call: ProviderCall,
    bill: Bill,
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
            recorded = record(resources, door, course, call, attempt, bill, seconds)
            describe(span, course.request, call, attempt)
    return attempt, recorded


def _provider_call(settings: Settings, course: Course, model: str, now: float) -> ProviderCall:
    request, llm = course.request, settings.llm
    temperature = request.temperature
    if temperature is None and request.feature not in FREE_TEXT_FEATURES:
        temperature = 0.0
    limit = request.max_output_tokens or llm.max_output_tokens
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
        recorded=request.recorded,
        temperature=temperature,
        max_output_tokens=limit * course.output_factor,
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


def _refusal(course: Course, step: GiveUp) -> ModelsUnavailable | PromptRejected | BudgetReached:
    if step.over_budget and course.refusal is not None:
        return course.refusal
    attempts = len(course.call_ids)
    log.warning("llm_gave_up", feature=course.request.feature, failures=course.failures)
    if step.rejected is not None:
        return PromptRejected(step.rejected, attempts=attempts)
    return ModelsUnavailable(
        course.told("No model gave a usable answer"),
        attempts=attempts,
        retry_after_seconds=step.retry_after_seconds,
    )
