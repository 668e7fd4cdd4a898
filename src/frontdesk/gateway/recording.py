"""What is left of an attempt: its call record, its ledger entry and its metrics."""

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from frontdesk.billing import (
    Reservation,
    Settlement,
    TokenUsage,
    UnitPrices,
    UsageKind,
    UsageRecord,
    cost_usd,
)
from frontdesk.core import ids
from frontdesk.core.resources import Resources
from frontdesk.gateway import litellm_adapter
from frontdesk.gateway.attempts import Attempt, Outcome, ProviderCall
from frontdesk.gateway.course import Course
from frontdesk.gateway.door import Door
from frontdesk.gateway.schemas import CompletionRequest
from frontdesk.observability import LlmCallRecord


@dataclass(frozen=True)
class Bill:
    """What an attempt is priced by, and what was set aside for it, if a budget concerns it.

    `counted_as` are the prices that budgets go by: assumed ones where none is known.
    """

    prices: UnitPrices | None
    counted_as: UnitPrices | None = None
    reservation: Reservation | None = None

    def settlement(self, call_id: UUID, usage: TokenUsage | None) -> Settlement | None:
        """What becomes of the reservation."""
        if self.reservation is None:
            return None
        spent = cost_usd(self.counted_as, usage) if usage is not None else None
        return Settlement(self.reservation, str(call_id), spent or Decimal(0))


def record(
    resources: Resources,
    door: Door,
    course: Course,
    call: ProviderCall,
    attempt: Attempt,
    bill: Bill,
    seconds: float,
) -> asyncio.Future[None]:
    """Count the attempt everywhere it counts, and begin to write it."""
    request, metrics = course.request, resources.metrics
    call_id = ids.new()
    course.call_ids.append(call_id)
    usage = attempt.usage
    cost = None if usage is None else cost_usd(bill.prices, usage)
    metrics.llm_calls.labels(call.model, request.feature, attempt.outcome.value).inc()
    metrics.llm_seconds.labels(call.model).observe(seconds)
    if attempt.outcome is Outcome.CONFIGURATION:
        door.alarm("llm_misconfigured", call.model, status_code=attempt.status_code)
    if usage is not None:
        course.input_tokens += usage.input_tokens
        course.output_tokens += usage.output_tokens
        tenant = metrics.tenant(request.tenant_id)
        if not attempt.counts_seconds:
            metrics.llm_tokens.labels(tenant, call.model, "input").inc(usage.input_tokens)
            metrics.llm_tokens.labels(tenant, call.model, "output").inc(usage.output_tokens)
        if cost is None:
            course.cost_usd = None
            metrics.unpriced.labels(call.model).inc()
            door.alarm("llm_price_unknown", call.model)
        else:
            metrics.llm_cost_usd.labels(tenant, call.model).inc(float(cost))
            if course.cost_usd is not None:
                course.cost_usd += cost
    return door.call_log.write(
        request.tenant_id,
        _call_record(course, call_id, call, attempt, cost, seconds),
        _usage_record(request, call_id, call, attempt, bill.prices, cost),
        bill.settlement(call_id, usage),
        # After a failure the next attempt waits for the record.
        is_followed=course.is_followed and attempt.outcome is Outcome.OK,
    )


def record_hit(
    resources: Resources,
    door: Door,
    course: Course,
    call: ProviderCall,
    text: str,
    saved_usd: Decimal | None,
    seconds: float,
) -> None:
    """Begin to write that an answer came from the cache, for nothing, and what that saved."""
    call_id = ids.new()
    course.call_ids.append(call_id)
    request = course.request
    resources.metrics.llm_calls.labels(call.model, request.feature, "cache_hit").inc()
    attempt = Attempt(Outcome.OK, text=text, usage=TokenUsage(0, 0))
    call_record = _call_record(course, call_id, call, attempt, Decimal(0), seconds)
    usage = _usage_record(request, call_id, call, attempt, None, Decimal(0))
    assert usage is not None
    door.call_log.write(
        request.tenant_id,
        replace(call_record, cache_hit=True),
        replace(usage, cache_hit=True, saved_usd=saved_usd),
        is_followed=request.is_followed,
    )


def _call_record(
    course: Course,
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
        variables=request.variables,
        experiment_id=request.experiment_id,
        variant=request.variant,
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
        masking=course.masking.as_json() if course.masking else None,
    )


def _usage_record(
    request: CompletionRequest,
    call_id: UUID,
    call: ProviderCall,
    attempt: Attempt,
    prices: UnitPrices | None,
    cost: Decimal | None,
) -> UsageRecord | None:
    """The ledger entry of an attempt; None when it was not billed."""
    usage = attempt.usage
    if usage is None:
        return None
    kind = UsageKind.EMBEDDING if call.embeds else UsageKind.LLM
    quantity, input_tokens = 1, usage.input_tokens
    if call.sound is not None:
        kind, quantity = UsageKind.SPEECH, call.sound.seconds
        if attempt.counts_seconds:
            quantity, input_tokens = usage.input_tokens, 0
    return UsageRecord(
        kind=kind,
        source_id=str(call_id),
        feature=request.feature,
        model=call.model,
        conversation_id=request.conversation_id,
        contact_id=request.contact_id,
        agent_id=request.agent_id,
        prompt_name=request.prompt_name,
        prompt_version=request.prompt_version,
        quantity=quantity,
        input_tokens=input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        reasoning_tokens=attempt.reasoning_tokens or 0,
        unit_prices=prices,
        amount_usd=cost,
        own_key=call.uses_own_key,
    )
