"""`complete`: one prompt to one usable answer, over retries, models, a breaker and a deadline."""

import asyncio
import math
import random
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import structlog
from opentelemetry.trace import SpanKind

from frontdesk.billing import BudgetReached, cost_usd, price_of
from frontdesk.core.resources import Resources
from frontdesk.core.tracing import annotate, span
from frontdesk.gateway import litellm_adapter, personal
from frontdesk.gateway.answer_cache import Kept, key_of, lifetime_seconds
from frontdesk.gateway.attempts import Attempt, Outcome, ProviderCall
from frontdesk.gateway.calling import circuit_of, provider_call
from frontdesk.gateway.course import Course
from frontdesk.gateway.door import Door
from frontdesk.gateway.errors import ModelsUnavailable, PromptRejected
from frontdesk.gateway.estimating import worst_usage, worst_usd
from frontdesk.gateway.masking import FAILED, Masked, Receipt, mask
from frontdesk.gateway.providers import provider_of
from frontdesk.gateway.recording import Bill, record, record_hit
from frontdesk.gateway.routing import GiveUp, Tried, next_step
from frontdesk.gateway.schemas import Completion, CompletionRequest, Estimate, Standing
from frontdesk.gateway.shrinking import shrink
from frontdesk.gateway.spans import describe, name_of
from frontdesk.gateway.structured import NotTheShape, read_answer
from frontdesk.gateway.tenant_models import TenantModelsBook, route_for
from frontdesk.gateway.thrift import accounts_for, go_thrifty, look_ahead, set_aside
from frontdesk.observability import Drills, Outage, Simulated

log = structlog.get_logger(__name__)

# A call that had less than this share of an attempt's time and was not answered says nothing of its
# model: else one that hangs would use up the time and so bring the breaker of the next one down.
_FAIR_SHARE_OF_TIME = 0.5


async def complete(resources: Resources, request: CompletionRequest) -> Completion:
    """Get a usable answer to a prompt from the first model that gives one.

    Each attempt leaves one `llm_call` row, and a ledger entry when it was billed. Nothing is held in
    the database while a model is at work. Cancelling the caller cancels the call at once.

    What is personal leaves as placeholders and is kept as such; the completion has it again.

    Raises:
        ModelsUnavailable: no model gave a usable answer before the deadline.
        PromptRejected: the models refuse this very prompt, or it could not be masked and was not sent.
        BudgetReached: what it may cost does not fit a budget; no cheaper model fits it either.
        Unavailable: the database is down, so the call can't be accounted for. Of one that is followed
            `finish_records` says it.
    """
    with span(f"model {request.feature}"):
        masked = await _masked(resources, request)
        completion = await _complete(
            resources, replace(request, messages=masked.messages), masked.receipt
        )
        annotate(
            model=completion.model,
            attempts=completion.attempts,
            cache_hit=completion.cache_hit,
            failed=list(completion.failures) or None,
        )
    return masked.restored_in(completion) if masked.values else completion


async def _complete(
    resources: Resources, request: CompletionRequest, receipt: Receipt
) -> Completion:
    door = resources.keep(Door)
    loop = asyncio.get_running_loop()
    began = loop.time()
    course = await _set_out(resources, request, receipt)
    seconds = lifetime_seconds(course, resources.settings.llm)
    key = None
    if seconds:
        first = provider_call(resources, course, course.chain[0], began)
        key = key_of(course, first)
        if hit := await _answer_again(resources, door, course, first, key):
            return hit
    try:
        async with asyncio.timeout_at(course.deadline):
            attempt, recorded = await _run(resources, door, course)
    except TimeoutError:
        raise ModelsUnavailable(
            course.told("No model answered before the deadline"),
            attempts=len(course.call_ids),
        ) from None
    if not course.is_followed:
        # After the deadline's scope: what was paid for is not thrown away while it is written.
        await asyncio.shield(recorded)
    assert attempt.text is not None
    model = course.tried[-1].model
    # What another model, or the same after a correction, made of it is not what is asked for next.
    if key is not None and len(course.tried) == 1 and not course.is_thrifty and attempt.usage:
        await door.answers.keep(key, Kept(attempt.text, model, attempt.usage), seconds)
    return Completion(
        request_id=course.request_id,
        text=attempt.text,
        parsed=attempt.parsed,
        model=model,
        input_tokens=course.input_tokens,
        output_tokens=course.output_tokens,
        cost_usd=course.cost_usd,
        latency_seconds=loop.time() - began,
        attempts=len(course.call_ids),
        call_ids=tuple(course.call_ids),
        failures=course.failures,
        thrift=course.refusal.refusal.sentence if course.refusal and course.is_thrifty else None,
        tool_calls=attempt.tool_calls,
        is_cut=attempt.finish_reason == "length",
        vectors=attempt.vectors,
        unwritten=(recorded,) if course.is_followed else (),
    )


async def _answer_again(
    resources: Resources, door: Door, course: Course, call: ProviderCall, key: str
) -> Completion | None:
    """The answer that was given to the same before, with a record that says so; or None."""
    began = time.perf_counter()
    kept = await door.answers.find(key)
    if kept is None:
        return None
    parsed = None
    if call.schema is not None:
        try:
            parsed = read_answer(call.schema, kept.text)
        except NotTheShape:
            return None
    saved = cost_usd(await price_of(resources, kept.model, datetime.now(UTC)), kept.usage)
    seconds = time.perf_counter() - began
    # Nothing was paid, so nobody waits until it is written.
    record_hit(resources, door, course, call, kept.text, saved, seconds)
    return Completion(
        request_id=course.request_id,
        text=kept.text,
        parsed=parsed,
        model=kept.model,
        input_tokens=0,
        output_tokens=0,
        cost_usd=course.cost_usd,
        latency_seconds=seconds,
        attempts=0,
        call_ids=tuple(course.call_ids),
        cache_hit=True,
    )


async def estimate(resources: Resources, request: CompletionRequest) -> Estimate:
    """What a request takes at worst with the first model of its chain; nothing is sent.

    Raises:
        Unavailable: no prices have been read yet and the database is down.
    """
    course = await _set_out(resources, request)
    call = provider_call(resources, course, course.chain[0], course.deadline)
    prices = await price_of(resources, call.model, datetime.now(UTC))
    usage = worst_usage(call)
    return Estimate(
        model=call.model,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        usd=None if prices is None else worst_usd(call, prices),
    )


async def list_standings(resources: Resources, request: CompletionRequest) -> list[Standing]:
    """Each model the request might go to, in turn, and what is in the way of that now.

    Nothing is sent, set aside or counted as tried.

    Raises:
        Unavailable: the database is down.
    """
    course = await _set_out(resources, request)
    found = [await _standing(resources, course, model) for model in course.chain]
    course.is_thrifty = True
    return found + [await _standing(resources, course, model) for model in course.cheaper_chain]


async def _standing(resources: Resources, course: Course, model: str) -> Standing:
    call = provider_call(resources, course, model, course.deadline)
    cheaper = course.is_thrifty
    if call.problem is not None:
        return Standing(model, cheaper, Outcome.CONFIGURATION, call.problem)
    if drilled := _drilled(resources, course, model):
        words = f"a drill keeps it away for {math.ceil(drilled.seconds_left)} seconds more"
        return Standing(model, cheaper, Outcome.BREAKER_OPEN, words)
    wait = await resources.keep(Door).breaker.open_seconds(circuit_of(course, model))
    if wait:
        words = f"it failed too often and is tried again in {math.ceil(wait)} seconds"
        return Standing(model, cheaper, Outcome.BREAKER_OPEN, words)
    try:
        prices = await price_of(resources, model, datetime.now(UTC))
        await look_ahead(resources, course, call, prices)
    except BudgetReached as error:
        return Standing(model, cheaper, Outcome.OVER_BUDGET, str(error))
    return Standing(model, cheaper)


async def warm() -> None:
    """Load in threads what a worker's first call would otherwise wait for, for seconds."""
    await asyncio.gather(litellm_adapter.warm(), asyncio.to_thread(personal.load))


async def finish_records(
    resources: Resources, tenant_id: UUID, unwritten: Iterable[asyncio.Future[None]]
) -> None:
    """Wait until calls are on record whose records `complete` did not wait for.

    Raises:
        Unavailable: the database is down, so they can't be accounted for.
    """
    await resources.keep(Door).call_log.finish(tenant_id, unwritten)


async def close(resources: Resources) -> None:
    """Write what is still to be recorded and close the connections to providers."""
    await resources.keep(Door).call_log.drain()
    await litellm_adapter.close()


async def _masked(resources: Resources, request: CompletionRequest) -> Masked:
    """The prompt as it may leave; whatever goes wrong with that, an unmasked one does not."""
    try:
        # Each text to be embedded gets a vector: one more would be taken for the first one's.
        return mask(request.messages, request.masking, explains=not request.embeds)
    except Exception as error:
        door, name = resources.keep(Door), type(error).__name__
        # Not with the exception itself: its words may be of the prompt.
        log.error("llm_not_masked", feature=request.feature, error=name)  # noqa: TRY400  # As said.
        course = await _set_out(resources, replace(request, messages=()), FAILED)
        call = provider_call(resources, course, course.chain[0], course.deadline)
        attempt = Attempt(Outcome.NOT_MASKED, error=name)
        await asyncio.shield(record(resources, door, course, call, attempt, Bill(None), 0))
        raise PromptRejected(Outcome.NOT_MASKED, attempts=0) from None


async def _set_out(
    resources: Resources, request: CompletionRequest, receipt: Receipt | None = None
) -> Course:
    """The request at its beginning: which models are asked in turn, and who pays."""
    llm = resources.settings.llm
    deadline_seconds = request.deadline_seconds or llm.deadline_seconds
    deadline = asyncio.get_running_loop().time() + deadline_seconds
    tenant = await resources.keep(TenantModelsBook).get(request.tenant_id)
    routed_as = request.routed_as or request.feature
    route = route_for(resources.settings, tenant, routed_as, request.models)
    return Course(
        request,
        deadline,
        tenant=tenant,
        chain=route.models,
        # The deployment's cheaper models can't hear, and who knows whether they see.
        cheaper_chain=() if request.sound or request.picture else route.cheaper_models,
        accounts=await accounts_for(resources, request),
        messages=request.messages,
        masking=receipt,
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
        if drilled := _drilled(resources, course, step.model):
            course.tried.append(Tried(step.model, Outcome.BREAKER_OPEN, drilled.seconds_left))
            continue
        circuit = circuit_of(course, step.model)
        admission = await door.breaker.admit(circuit)
        if admission.is_open:
            course.tried.append(Tried(step.model, Outcome.BREAKER_OPEN, admission.wait_seconds))
            continue
        try:
            # Read before the model is paid, so that a database that is down costs no tokens.
            prices = await price_of(resources, step.model, datetime.now(UTC))
            async with door.slots.hold(course.request.tenant_id, provider_of(step.model)):
                call = provider_call(resources, course, step.model, loop.time())
                bill = await set_aside(resources, course, call, prices)
                attempt, recorded = await _attempt(resources, door, course, call, bill)
        except BudgetReached as error:
            await door.breaker.withdraw(circuit, admission)
            go_thrifty(course, error, step.model)
            continue
        except BaseException:  # Cancelled, mostly; what was let through to try must not stay out.
            await door.breaker.withdraw(circuit, admission)
            raise
        course.tried.append(
            Tried(
                step.model,
                attempt.outcome,
                attempt.retry_after_seconds,
                was_mended=_mend(course, attempt),
            )
        )
        fair_seconds = llm.attempt_timeout_seconds * _FAIR_SHARE_OF_TIME
        was_rushed = attempt.outcome is Outcome.TIMEOUT and call.timeout_seconds < fair_seconds
        # By us: it was not asked at all.
        was_refused = attempt.outcome is Outcome.BAD_REQUEST and attempt.status_code is None
        if was_refused:
            course.complaints.append(attempt.error)
        if was_rushed or was_refused:
            await door.breaker.withdraw(circuit, admission)
        else:
            await door.breaker.settle(
                circuit, attempt.outcome, admission, attempt.retry_after_seconds
            )
        if attempt.outcome is Outcome.OK:
            return attempt, recorded
        await asyncio.shield(recorded)


def _drilled(resources: Resources, course: Course, model: str) -> Simulated | None:
    """The drill by which this tenant has to do without the model: as if its breaker were open.

    The breaker itself knows nothing of it, as that is of all tenants.
    """
    drills = resources.keep(Drills)
    return drills.find(course.request.tenant_id, Outage.MODELS, provider_of(model))


def _mend(course: Course, attempt: Attempt) -> bool:
    """Make of a prompt that was no good another one, once; whether it is worth the same model's try.

    A replay is what it was, and so are texts to be embedded.
    """
    if course.request.recorded is not None or course.request.embeds:
        return False
    if attempt.outcome is Outcome.GARBAGE:
        course.correction = attempt.error
        if attempt.finish_reason == "length":
            course.output_factor = 2
        return True
    if attempt.outcome is Outcome.CONTEXT_OVERFLOW and course.messages is course.request.messages:
        shorter = shrink(course.messages)
        course.messages = shorter or course.messages
        return shorter is not None
    return False


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
    with span(name_of(call), kind=SpanKind.CLIENT) as attempting:
        try:
            if call.problem is not None:
                attempt = Attempt(Outcome.CONFIGURATION, error=call.problem)
            else:
                attempt = await litellm_adapter.attempt(call)
        finally:
            seconds = time.perf_counter() - began
            recorded = record(resources, door, course, call, attempt, bill, seconds)
            describe(attempting, course.request, call, attempt)
    return attempt, recorded


def _refusal(course: Course, step: GiveUp) -> ModelsUnavailable | PromptRejected | BudgetReached:
    if step.over_budget and course.refusal is not None:
        return course.refusal
    attempts = len(course.call_ids)
    log.warning("llm_gave_up", feature=course.request.feature, failures=course.failures)
    if step.rejected is not None:
        return PromptRejected(step.rejected, attempts=attempts, complaint=course.complaint)
    return ModelsUnavailable(
        course.told("No model gave a usable answer"),
        attempts=attempts,
        retry_after_seconds=step.retry_after_seconds,
    )
