"""Whether a difference is more than noise, as tables of cases."""

import math
import random
from uuid import UUID

import pytest

from frontdesk.evaluation.canary_rules import Decision, Finding, judge_canary, read_guard
from frontdesk.evaluation.rules import (
    Action,
    Agreement,
    Expected,
    Scored,
    Seen,
    failures,
    objections,
)
from frontdesk.evaluation.statistics import (
    Sample,
    always_valid_interval,
    mcnemar_exact,
    percentile,
    spread,
)
from frontdesk.prompts import GuardMetric

ONE, TWO, THREE = (Scored(UUID(int=n), True, ["tone"]) for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("lost", "won", "p_value"),
    [(0, 0, 1.0), (0, 5, 0.0625), (0, 6, 0.03125), (1, 9, 22 / 1024), (4, 4, 1.0)],
)
def test_pairs_that_differ_are_weighed_exactly(lost: int, won: int, p_value: float) -> None:
    assert mcnemar_exact(lost, won) == pytest.approx(p_value)


def test_percentiles_and_spread_are_those_of_the_textbook() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile([], 0.5)) == (3, 5, None)
    assert spread([0.9, 1.0, 0.8]) == pytest.approx(0.1)
    assert spread([0.9]) == 0


def test_looking_again_and_again_rolls_back_a_canary_that_is_no_worse_hardly_ever() -> None:
    chance = random.Random(7)  # No secret.
    worse = 0
    for _ in range(200):
        control, canary = [], []
        for _ in range(20):
            control += [float(chance.random() < 0.2) for _ in range(20)]
            canary += [float(chance.random() < 0.2) for _ in range(20)]
            reading = read_guard(GuardMetric.HANDOFF_RATE, control, canary, guards=1)
            if reading.finding is Finding.WORSE:
                worse += 1
                break
    assert worse <= 200 * 0.05


def test_an_interval_narrows_with_what_is_seen_and_holds_the_difference() -> None:
    wide, narrow = (
        always_valid_interval(Sample(n, 0.2, 0.16), Sample(n, 0.3, 0.21), scale=0.1, alpha=0.05)
        for n in (50, 5_000)
    )
    assert wide[0] < 0 < narrow[0] < 0.1 < narrow[1] < wide[1]
    assert math.isclose(sum(narrow), 0.2)


NONE, ALL = [0.0] * 40, [1.0] * 40


@pytest.mark.parametrize(
    ("metric", "control", "canary", "days", "decision"),
    [
        (GuardMetric.HANDOFF_RATE, NONE, ALL, 0.1, Decision.BACK),
        (GuardMetric.HANDOFF_RATE, NONE[:10], ALL[:10], 0.1, Decision.GO_ON),
        (GuardMetric.HANDOFF_RATE, NONE, NONE, 0.1, Decision.GO_ON),
        (GuardMetric.HANDOFF_RATE, NONE, NONE, 7.0, Decision.HOLD),
        (GuardMetric.HANDOFF_RATE, NONE * 50, NONE * 50, 0.1, Decision.FORWARD),
        (GuardMetric.HANDOFF_RATE, ALL * 10, NONE * 10, 0.1, Decision.FORWARD),
        (GuardMetric.COST_USD, [1.0, 1.1] * 20, [1.05, 1.1] * 20, 0.1, Decision.FORWARD),
        (GuardMetric.COST_USD, [1.0, 1.1] * 20, [2.0, 2.2] * 20, 0.1, Decision.BACK),
        (GuardMetric.ANSWER_LENGTH, [100.0, 110] * 20, [10.0, 11] * 20, 0.1, Decision.BACK),
        (GuardMetric.ANSWER_LENGTH, [100.0, 110] * 20, [90.0, 100] * 20, 0.1, Decision.FORWARD),
    ],
)
def test_a_canary_goes_forward_back_or_on_by_what_is_certain(
    metric: GuardMetric, control: list[float], canary: list[float], days: float, decision: Decision
) -> None:
    reading = read_guard(metric, control, canary, guards=1)
    counts = {"control": len(control), "canary": len(canary)}
    judged = judge_canary([reading], counts, days=days)
    assert judged.decision is decision, (reading, judged)


@pytest.mark.parametrize(
    ("expected", "seen", "found"),
    [
        (Expected(), Seen(Action.CLOSE, "Bye."), []),
        (Expected(action=Action.ANY), Seen(Action.IGNORE), []),
        (Expected(), Seen(Action.HAND_OFF), ["it was handed over and not answered"]),
        (Expected(["Two days"]), Seen(Action.REPLY, "In two days."), []),
        (Expected(["week"]), Seen(Action.REPLY, "In two days."), ["“week” is missing"]),
        (Expected(must_not_contain=["DAYS"]), Seen(Action.REPLY, "2 days"), ["“DAYS” is in it"]),
        (Expected(matches=[r"\d+ days"]), Seen(Action.REPLY, "2 days"), []),
        (
            Expected(matches=[r"(a+)+$"]),
            Seen(Action.REPLY, "a" * 40 + "!"),
            ["it does not match (a+)+$"],
        ),
        (Expected(language="de"), Seen(Action.REPLY, "Hello"), ["it is in en and not in de"]),
        (Expected(sources=["Returns"]), Seen(Action.REPLY, "x", ["returns"]), []),
        (Expected(sources=["Returns"]), Seen(Action.REPLY, "x"), ["it does not rest on “Returns”"]),
    ],
)
def test_every_check_that_fails_is_told_in_words(
    expected: Expected, seen: Seen, found: list[str]
) -> None:
    assert failures(expected, seen, language_of=lambda _: "en") == found


def test_a_judge_is_heeded_where_people_agree_with_it() -> None:
    heeded = [Agreement(4, 4), Agreement(8, 10)]
    not_heeded = [Agreement(0, 0), Agreement(3, 3), Agreement(7, 10)]
    assert [a.is_enough for a in heeded + not_heeded] == [True] * 2 + [False] * 3
    assert "7 of 10" in not_heeded[-1].in_words()


def test_the_gate_asks_for_the_threshold_and_that_no_tag_gets_worse() -> None:
    def lost(case: Scored) -> Scored:
        return Scored(case.item_id, False, case.tags)

    all_well = [ONE, TWO, THREE]
    assert objections([], threshold=0.95, production=None) == ["no case was played"]
    assert objections(all_well, threshold=0.95, production=None) == []
    assert objections([ONE, TWO, lost(THREE)], threshold=0.95, production=None) == [
        "66.7% passed, and 95.0% must"
    ]
    assert objections([ONE, lost(TWO)], threshold=0.5, production=all_well) == [
        "“tone” is worse than in production: 1 of 2 after 2 of 2"
    ]
    # What only one of them played says nothing of the other.
    assert objections([ONE], threshold=0.95, production=[ONE, lost(TWO)]) == []
