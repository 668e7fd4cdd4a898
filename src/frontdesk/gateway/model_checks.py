"""Whether the deployment's models answer: a worker asks each something short, `/readyz` tells it."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from frontdesk.core.db import Connection
from frontdesk.core.ids import NIL
from frontdesk.core.resources import Resources
from frontdesk.core.settings import LlmSettings, Settings
from frontdesk.core.work import Due
from frontdesk.gateway import litellm_adapter
from frontdesk.gateway.attempts import Attempt, Outcome, ProviderCall
from frontdesk.gateway.breaker import Breaker
from frontdesk.gateway.door import Door
from frontdesk.gateway.providers import list_providers, provider_of
from frontdesk.observability import Finding

MODEL_CHECK = "gateway.model_check"
_QUESTION = ({"role": "user", "content": "Answer with one word: ok"},)
# A model that reasons first may need more for its one word; whatever it says, it answers.
_MOST_TOKENS = 16
_TIMEOUT_SECONDS = 10.0
# What was seen longer ago than so many rounds says nothing: no worker has asked since.
_FRESH_ROUNDS = 3

_COUNT_FRESH = """
SELECT count(*) FROM model_check
WHERE model = ANY ($1) AND claimed_at > now() - make_interval(secs => $2)
"""
_CLAIM = """
INSERT INTO model_check (model, claimed_at) SELECT m, now() FROM unnest($1::text[]) m ORDER BY m
ON CONFLICT (model) DO UPDATE SET claimed_at = now()
    WHERE model_check.claimed_at <= now() - make_interval(secs => $2)
RETURNING model
"""
_RECORD = "UPDATE model_check SET answered_at = now(), ok = $2, detail = $3 WHERE model = $1"
_LATEST = """
SELECT model, ok, detail FROM model_check
WHERE model = ANY ($1) AND answered_at > now() - make_interval(secs => $2)
"""


@dataclass(frozen=True)
class ModelTrial:
    """What came of asking a model something short; `detail` names a kind of error, not its text."""

    model: str
    ok: bool
    detail: str


def list_models(llm: LlmSettings) -> tuple[str, ...]:
    """Every model the deployment names for itself, once each, those of the chain first."""
    routed = (model for models in llm.routes.values() for model in models)
    return tuple(dict.fromkeys((*llm.chain, *llm.cheaper_chain, *routed)))


def has_key(settings: Settings, model: str) -> bool:
    """Whether the deployment has what it takes to ask a model; tenants may have keys of their own."""
    provider = list_providers(settings).get(provider_of(model))
    return provider is not None and not (provider.needs_key and provider.api_key is None)


async def try_model(settings: Settings, model: str) -> ModelTrial:
    """Ask a model something short, with the deployment's key. It costs some 50 tokens; never raises.

    It goes past budgets, breakers and records: it is nobody's call, and tells of the provider alone.
    """
    if not has_key(settings, model):
        return ModelTrial(model, False, "no API key is set, or no such provider")
    provider = list_providers(settings)[provider_of(model)]
    began = time.perf_counter()
    attempt = await litellm_adapter.attempt(
        ProviderCall(
            model=model,
            wire_model=provider.wire_model(model),
            messages=_QUESTION,
            schema=None,
            temperature=0.0,
            max_output_tokens=_MOST_TOKENS,
            timeout_seconds=min(_TIMEOUT_SECONDS, settings.llm.attempt_timeout_seconds),
            api_key=provider.api_key.get_secret_value() if provider.api_key else "none",
            api_base=provider.api_base,
        )
    )
    return _read(model, attempt, time.perf_counter() - began)


def _read(model: str, attempt: Attempt, seconds: float) -> ModelTrial:
    if attempt.outcome in (Outcome.OK, Outcome.GARBAGE):
        return ModelTrial(model, True, f"answered in {seconds * 1000:.0f} ms")
    status = f" ({attempt.status_code})" if attempt.status_code else ""
    return ModelTrial(model, False, f"{attempt.outcome.value.replace('_', ' ')}{status}")


def model_checks(settings: Settings) -> tuple[Due, ...]:
    """The due work that asks the models of the chain, when the settings want it."""
    seconds = settings.llm.check_seconds
    if seconds == 0:
        return ()

    async def list_ids(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """One row for all models, when one has not been asked for long enough."""
        fresh = await connection.fetchval(_COUNT_FRESH, settings.llm.chain, seconds)
        return [(NIL, NIL)] if fresh < len(set(settings.llm.chain)) else []

    return (
        Due(
            kind=MODEL_CHECK,
            list_ids=list_ids,
            handle=ask_models,
            at_once=1,
            tenant_at_once=1,
            sweep_seconds=10,
        ),
    )


async def ask_models(resources: Resources, _: UUID, __: UUID) -> None:
    """Ask every model of the chain that is due, and write down what came of it.

    Claimed before it is asked: run twice, or by two workers, the second finds nothing due.
    """
    llm = resources.settings.llm
    async with resources.db.system() as connection:
        claimed = await connection.fetch(_CLAIM, list(dict.fromkeys(llm.chain)), llm.check_seconds)
    trials = await asyncio.gather(*(try_model(resources.settings, row["model"]) for row in claimed))
    async with resources.db.system() as connection:
        await connection.executemany(_RECORD, [(t.model, t.ok, t.detail) for t in trials])


async def check_models(resources: Resources) -> Finding:
    """The deployment's models by their breakers and, where workers ask them, by their last answer."""
    llm = resources.settings.llm
    models = list_models(llm)
    trials = await _latest(resources, models) if llm.check_seconds else {}
    breaker = resources.keep(Door).breaker
    troubles, words = 0, []
    for model in models:
        problem, said = await _standing(breaker, model, trials.get(model))
        troubles += problem
        words.append(f"{model} {said}")
    return Finding(troubles == 0, "; ".join(words), value=troubles)


async def _standing(breaker: Breaker, model: str, trial: ModelTrial | None) -> tuple[bool, str]:
    """Whether something is wrong with a model, and how it is in words."""
    wait = await breaker.open_seconds(model)
    if wait:
        return True, f"failed too often and is tried again in {math.ceil(wait)} seconds"
    if trial is None:
        return False, "is not known to fail"
    return not trial.ok, trial.detail if trial.ok else f"did not answer: {trial.detail}"


async def _latest(resources: Resources, models: Sequence[str]) -> dict[str, ModelTrial]:
    seconds = resources.settings.llm.check_seconds * _FRESH_ROUNDS
    async with resources.db.system() as connection:
        rows = await connection.fetch(_LATEST, models, seconds)
    return {row["model"]: ModelTrial(row["model"], row["ok"], row["detail"]) for row in rows}
