"""Which model is tried next, and when: pure decisions over the attempts so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from frontdesk.gateway.attempts import Outcome

BACKOFF_BASE_SECONDS = 0.5
BACKOFF_CAP_SECONDS = 8.0
# Less time than this is not worth another attempt: no model answers so fast.
LEAST_SECONDS = 0.1
GARBAGE_ATTEMPTS = 2

_REFUSED = (Outcome.CONTEXT_OVERFLOW, Outcome.BAD_REQUEST)


@dataclass(frozen=True)
class Tried:
    """One attempt at a model, or a refusal of one by the breaker or a budget."""

    model: str
    outcome: Outcome
    retry_after_seconds: float | None = None
    was_mended: bool = False
    """Whether the next attempt would send another prompt."""


@dataclass(frozen=True)
class Try:
    """Wait, then try this model."""

    model: str
    wait_seconds: float = 0.0


@dataclass(frozen=True)
class GiveUp:
    """No model can help: now, or with this prompt (then `rejected` says why), or on this budget."""

    rejected: Outcome | None = None
    over_budget: bool = False
    retry_after_seconds: float = 10.0


def next_step(
    chain: Sequence[str],
    tried: Sequence[Tried],
    *,
    remaining_seconds: float,
    attempts_per_model: int,
    jitter: Callable[[], float],
) -> Try | GiveUp:
    """What to do after these attempts.

    Only what can succeed is tried again: a rate limit, a provider that was down, and once, with
    another prompt, an answer that was unusable or a prompt that was too long. Whatever else a
    provider refuses goes to the next model at once, and a prompt refused for its content goes
    nowhere any more.

    Args:
        chain: models in the order they are tried, each named once.
        remaining_seconds: until the deadline over all attempts.
        jitter: gives numbers between 0 and 1, evenly spread.
    """
    if not tried:
        return Try(chain[0])
    last = tried[-1]
    if last.outcome is Outcome.CONTENT_FILTER:
        return GiveUp(rejected=Outcome.CONTENT_FILTER)
    following = _model_after(chain, last.model)
    if remaining_seconds < LEAST_SECONDS:
        return _give_up(chain, tried)
    wait = _wait_for_same_model(
        [item for item in tried if item.model == last.model],
        is_last_model=following is None,
        remaining_seconds=remaining_seconds,
        attempts_per_model=attempts_per_model,
        jitter=jitter,
    )
    if wait is not None:
        return Try(last.model, wait)
    return _give_up(chain, tried) if following is None else Try(following)


def _wait_for_same_model(
    tried: Sequence[Tried],
    *,
    is_last_model: bool,
    remaining_seconds: float,
    attempts_per_model: int,
    jitter: Callable[[], float],
) -> float | None:
    """How long to wait before the same model gets another attempt; None when it gets none."""
    last = tried[-1]
    if len(tried) >= attempts_per_model:
        return None
    match last.outcome:
        case Outcome.GARBAGE:
            failures = sum(item.outcome is Outcome.GARBAGE for item in tried)
            return 0.0 if failures < GARBAGE_ATTEMPTS else None
        case Outcome.CONTEXT_OVERFLOW if last.was_mended:
            return 0.0
        case Outcome.RATE_LIMITED | Outcome.PROVIDER_DOWN:
            # Full jitter, on top of what the provider asks for: whoever failed together must not
            # come back together.
            ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** (len(tried) - 1))
            wait = (last.retry_after_seconds or 0.0) + ceiling * jitter()
        case Outcome.TIMEOUT if is_last_model:
            # A slow model tends to stay slow, so it is asked again only when there is no other.
            return 0.0
        case _:
            return None
    # A wait longer than half of what is left would eat the time in which another model answers.
    return wait if 2 * wait <= remaining_seconds else None


def _model_after(chain: Sequence[str], model: str) -> str | None:
    position = chain.index(model) + 1
    return chain[position] if position < len(chain) else None


def _give_up(chain: Sequence[str], tried: Sequence[Tried]) -> GiveUp:
    last_of_each = {item.model: item for item in tried}.values()
    outcomes = {item.outcome for item in last_of_each}
    if Outcome.OVER_BUDGET in outcomes and outcomes <= {Outcome.OVER_BUDGET, *_REFUSED}:
        return GiveUp(over_budget=True)
    if len(last_of_each) == len(chain) and all(item.outcome in _REFUSED for item in last_of_each):
        too_long = any(item.outcome is Outcome.CONTEXT_OVERFLOW for item in last_of_each)
        return GiveUp(rejected=Outcome.CONTEXT_OVERFLOW if too_long else Outcome.BAD_REQUEST)
    waits = [item.retry_after_seconds for item in last_of_each if item.retry_after_seconds]
    return GiveUp(retry_after_seconds=min(waits)) if waits else GiveUp()
