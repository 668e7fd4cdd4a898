"""Which model is tried next, and when: the decisions alone."""

import pytest

from frontdesk.gateway.attempts import Outcome
from frontdesk.gateway.routing import GiveUp, Tried, Try, next_step

A, B = "groq/a", "openai/b"


def step(
    *tried: Tried,
    chain: tuple[str, ...] = (A, B),
    remaining: float = 45,
    attempts: int = 3,
    jitter: float = 1.0,
) -> Try | GiveUp:
    return next_step(
        chain,
        tried,
        remaining_seconds=remaining,
        attempts_per_model=attempts,
        jitter=lambda: jitter,
    )


def test_the_first_model_is_tried_first() -> None:
    assert step() == Try(A)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.CONFIGURATION,
        Outcome.BAD_REQUEST,
        Outcome.CONTEXT_OVERFLOW,
        Outcome.TIMEOUT,
        Outcome.BREAKER_OPEN,
    ],
)
def test_what_cannot_succeed_goes_to_the_next_model_at_once(outcome: Outcome) -> None:
    assert step(Tried(A, outcome)) == Try(B)


@pytest.mark.parametrize("outcome", [Outcome.PROVIDER_DOWN, Outcome.RATE_LIMITED])
def test_a_transient_failure_is_tried_again_after_a_growing_wait(outcome: Outcome) -> None:
    failed = Tried(A, outcome)
    assert step(failed) == Try(A, 0.5)
    assert step(failed, failed) == Try(A, 1.0)
    assert step(failed, failed, failed) == Try(B)


def test_the_wait_is_jittered_over_its_whole_length_and_capped() -> None:
    failed = Tried(A, Outcome.PROVIDER_DOWN)
    assert step(failed, jitter=0.0) == Try(A, 0.0)
    assert step(failed, jitter=0.5) == Try(A, 0.25)
    assert step(*[failed] * 9, attempts=10) == Try(A, 8.0)


def test_retry_after_is_honoured_when_it_leaves_as_much_time_as_it_takes() -> None:
    limited = Tried(A, Outcome.RATE_LIMITED, retry_after_seconds=20)
    assert step(limited, remaining=40, jitter=0.0) == Try(A, 20)
    assert step(limited, remaining=45, jitter=1.0) == Try(A, 20.5)
    assert step(limited, remaining=39, jitter=0.0) == Try(B)


def test_a_slow_model_is_asked_again_only_when_there_is_no_other() -> None:
    slow = Tried(B, Outcome.TIMEOUT)
    assert step(slow) == Try(B)
    assert step(slow, slow, slow) == GiveUp()


def test_garbage_is_asked_for_once_more() -> None:
    garbage = Tried(A, Outcome.GARBAGE)
    assert step(garbage) == Try(A)
    assert step(garbage, garbage) == Try(B)


def test_a_prompt_refused_for_its_content_goes_nowhere() -> None:
    assert step(Tried(A, Outcome.CONTENT_FILTER)) == GiveUp(rejected=Outcome.CONTENT_FILTER)


def test_a_prompt_every_model_refuses_is_rejected() -> None:
    too_long, bad = Tried(A, Outcome.CONTEXT_OVERFLOW), Tried(B, Outcome.BAD_REQUEST)
    assert step(too_long, bad) == GiveUp(rejected=Outcome.CONTEXT_OVERFLOW)
    assert step(bad, chain=(B,)) == GiveUp(rejected=Outcome.BAD_REQUEST)


def test_a_prompt_that_one_model_could_not_even_judge_may_succeed_later() -> None:
    bad, down = Tried(A, Outcome.BAD_REQUEST), Tried(B, Outcome.BREAKER_OPEN, 12)
    assert step(bad, down) == GiveUp(retry_after_seconds=12)
    assert step(bad, remaining=0.05) == GiveUp()


def test_no_attempt_begins_when_the_time_is_up() -> None:
    assert isinstance(step(Tried(A, Outcome.PROVIDER_DOWN), remaining=0.05), GiveUp)


def test_giving_up_says_when_the_first_model_can_be_asked_again() -> None:
    limited = Tried(A, Outcome.RATE_LIMITED, 300)
    resting = Tried(B, Outcome.BREAKER_OPEN, 20)
    assert step(limited, resting) == GiveUp(retry_after_seconds=20)
