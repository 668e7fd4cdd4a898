"""What one attempt sends, and where to: made from the request, how it has gone so far, and settings."""

from frontdesk.core.crypto import SealBroken
from frontdesk.core.resources import Resources
from frontdesk.gateway.attempts import ProviderCall
from frontdesk.gateway.course import Course
from frontdesk.gateway.providers import Provider, list_providers, provider_of
from frontdesk.gateway.shrinking import Messages
from frontdesk.gateway.tenant_models import own_key

# What people read should vary, and of a program's calls the program decides; everything else is a
# decision and should not.
FREE_TEXT_FEATURES = frozenset({"reply", "suggestion", "api"})
# An attempt ends this long before the deadline, so that it is seen to end and is recorded.
_MARGIN_SECONDS = 0.02
_CORRECTION = (
    "Your previous answer could not be used: {error}. "
    "Answer again, completely and exactly in the form asked for."
)


class _Providers:
    def __init__(self, resources: Resources) -> None:
        self.by_name = list_providers(resources.settings)


def provider_call(resources: Resources, course: Course, model: str, now: float) -> ProviderCall:
    """The next attempt at this model; with `problem` set when it can't be made at all."""
    request, llm = course.request, resources.settings.llm
    temperature = request.temperature
    if temperature is None and request.feature not in FREE_TEXT_FEATURES:
        temperature = 0.0
    limit = request.max_output_tokens or llm.max_output_tokens
    name = provider_of(model)
    # They do not change while a process runs.
    known = resources.keep(_Providers).by_name
    provider = known.get(name) or Provider(name)
    api_key = provider.api_key.get_secret_value() if provider.api_key else None
    problem = None if name in known else f"no provider {name} is configured"
    uses_own_key = False
    try:
        if own := own_key(resources, request.tenant_id, course.tenant, name):
            api_key, uses_own_key = own, True
    except SealBroken as error:
        # Never the deployment's key instead: the tenant has said who is to pay.
        problem = f"the tenant's key can't be opened: {error}"
    if problem is None and api_key is None and provider.needs_key:
        problem = "no API key is set for this provider"
    return ProviderCall(
        model=model,
        wire_model=provider.wire_model(model),
        messages=_corrected(course.messages, course.correction),
        schema=request.schema,
        sampling=request.sampling,
        may_be_cut=request.may_be_cut,
        recorded=request.recorded,
        tools=request.tools,
        sound=request.sound,
        embeds=request.embeds,
        picture=request.picture,
        temperature=temperature,
        max_output_tokens=limit * course.output_factor,
        timeout_seconds=max(
            0.0, min(llm.attempt_timeout_seconds, course.deadline - now - _MARGIN_SECONDS)
        ),
        # OpenAI's client sends nothing without one; who needs none does not look at it.
        api_key=api_key or "none",
        api_base=provider.api_base,
        uses_own_key=uses_own_key,
        problem=problem,
    )


def circuit_of(course: Course, model: str) -> str:
    """Whose failures count together: a model's with one key. A tenant's own key may be worn out alone."""
    if provider_of(model) in course.tenant.sealed_keys:
        return f"{course.request.tenant_id}:{model}"
    return model


def _corrected(messages: Messages, correction: str | None) -> Messages:
    """The prompt, and what was wrong with the last answer to it at the end of the system message."""
    if correction is None:
        return messages
    advice = _CORRECTION.format(error=correction)
    first = messages[0] if messages else {}
    if first.get("role") != "system" or not isinstance(first.get("content"), str):
        return ({"role": "system", "content": advice}, *messages)
    return ({**first, "content": f"{first['content']}\n\n{advice}"}, *messages[1:])
