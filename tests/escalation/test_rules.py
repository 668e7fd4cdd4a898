"""Rules as tables of cases: which words, sums and signs make one hold."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from frontdesk.agent_config import AgentConfig, EscalationRule
from frontdesk.escalation.rules import Past, Signals, ask_rule, first_rule, rules_of
from frontdesk.escalation.words import Said

_RULE: TypeAdapter[EscalationRule] = TypeAdapter(EscalationRule)
REFUND = {"sign": "mentions", "words": {"en": ["refund", "money back"], "es": ["devolución"]}}
OVER_50 = {"sign": "amount_over", "amount": 50}


def _rule(*when: dict[str, Any], **more: Any) -> EscalationRule:
    return _RULE.validate_python({"when": when, **more})


@pytest.mark.parametrize(
    ("when", "text", "holds"),
    [
        (REFUND, "You REFUNDED me nothing", True),
        (REFUND, "I wanted refnuds", True),  # Swapped, and in the plural.
        (REFUND, "a devolucion por favor", True),  # Without the accent.
        (REFUND, "quiero dos devoluciones", True),
        (REFUND, "take the money, and then back off", False),
        (REFUND, "my money back!!", True),
        (REFUND, "I'll refuse it", False),
        (REFUND | {"typos": False}, "I want a refubd", False),
        ({"sign": "mentions", "words": {"de": ["Kündigung"]}}, "zwei kundigungen", True),
        ({"sign": "mentions", "words": {"ar": ["محامي"]}}, "أريد محامي الآن", True),
        ({"sign": "mentions", "words": {"hi": ["पैसे वापस"]}}, "मुझे पैसे वापस चाहिए", True),
        ({"sign": "mentions", "words": {"und": ["bad"]}}, "I dreamt of a badge", False),
        ({"sign": "topic", "topic": "legal"}, "Sie hören von meinem Anwalt.", True),
        ({"sign": "topic", "topic": "legal"}, "nice lamp", False),
        ({"sign": "topic", "topic": "money"}, "j'ai été débité deux fois", True),
        (OVER_50, "it was $49.99", False),
        (OVER_50, "it was 1.249,50 € in all", True),
        (OVER_50, "order 10427 has 80 lamps", False),  # No currency.
        (OVER_50, "Rs 1,200 please", True),
        (OVER_50, "€ 50", False),
        (OVER_50 | {"currency": "EUR"}, "80 dollars", False),
        (OVER_50 | {"currency": "EUR"}, "80 dollars, which is 75 EUR", True),
    ],
)
def test_words_and_sums(when: dict[str, Any], text: str, holds: bool) -> None:
    asked = ask_rule(_rule(when), Signals(said=Said([text])))
    assert asked.fires is holds, asked.findings


@pytest.mark.parametrize(
    ("when", "signals", "holds", "close"),
    [
        ({"sign": "mood", "at_most": -0.5}, {"mood": -0.5}, True, False),
        ({"sign": "mood", "at_most": -0.5}, {"mood": -0.3}, False, True),
        ({"sign": "mood", "at_most": -0.5}, {"mood": 0.3}, False, False),
        ({"sign": "mood", "at_most": -0.5}, {}, None, False),
        (
            {"sign": "mood_falls", "drop": 0.5, "turns": 2},
            {"mood": -0.1, "past": Past(moods=(0.9, 0.2, 0.4))},
            True,
            False,
        ),
        (
            {"sign": "mood_falls", "drop": 0.5, "turns": 2},
            {"mood": 0.1, "past": Past(moods=(0.9, 0.2, 0.4))},
            False,
            True,
        ),
        ({"sign": "confidence", "below": 0.5}, {"confidence": 0.49}, True, False),
        ({"sign": "confidence", "below": 0.5}, {"confidence": 0.55}, False, True),
        (
            {"sign": "failed_turns", "count": 3},
            {"confidence": 0.5, "past": Past(confidences=(0.9, 0.0, 0.3))},
            True,
            False,
        ),
        (
            {"sign": "failed_turns", "count": 3},
            {"confidence": 0.5, "past": Past(confidences=(0.9, 0.3))},
            False,
            True,
        ),
        ({"sign": "tools_fail"}, {"failed_tools": 1}, True, False),
        ({"sign": "tools_fail"}, {"failed_tools": 0}, False, False),
        ({"sign": "out_of_hours"}, {"out_of_hours": True}, True, False),
        ({"sign": "tagged", "tags": ["VIP"]}, {"tags": frozenset({"vip"})}, True, False),
        ({"sign": "tagged", "tags": ["vip"]}, {"tags": frozenset({"vips"})}, False, False),
        ({"sign": "tagged", "tags": ["vip"]}, {}, None, False),
        ({"sign": "budget_spent"}, {"budget_spent": "the month's is used up"}, True, False),
        ({"sign": "model_down"}, {}, None, False),
    ],
)
def test_signs(
    when: dict[str, Any], signals: dict[str, Any], holds: bool | None, close: bool
) -> None:
    asked = ask_rule(_rule(when), Signals(**signals))
    assert asked.findings[0].holds is holds
    assert asked.came_close is close


def test_a_rule_reads_as_a_sentence_and_says_what_was_seen() -> None:
    rule = _rule(REFUND, OVER_50, team="Billing", priority="high", note="wants money back")
    assert rule.in_words() == (
        "When “refund” or “money back” or “devolución” is mentioned and the amount is over 50 → "
        "person, team Billing, high (wants money back)."
    )
    found = first_rule([rule], Signals(said=Said(["Refunds! 80 EUR!"])))
    assert found is not None
    assert found.rule == f"{rule.in_words()} Seen: “refunds” for “refund”; 80 EUR."
    assert (found.reason, found.team, found.priority) == ("keyword", "Billing", "high")
    assert ask_rule(rule, Signals(said=Said(["refund, please"]))).came_close


def test_own_rules_come_first_in_their_order_and_nothing_takes_the_wish_for_a_person_away() -> None:
    own = (
        _rule({"sign": "mood", "at_most": -0.9}, team="Complaints"),
        _rule({"sign": "asks_for_person"}, {"sign": "out_of_hours"}, team="Night"),
    )
    rules = rules_of(
        AgentConfig(
            company_name="Shop",
            escalation_rules=own,
            business_hours={"time_zone": "Europe/Berlin", "week": {}},
        )
    )
    wish = Signals(asked_for_person=True, out_of_hours=True)
    assert getattr(first_rule(rules, wish), "team", "") == "Night"
    by_day = first_rule(rules, Signals(asked_for_person=True, out_of_hours=False))
    assert by_day is not None
    assert (by_day.reason, by_day.team) == ("requested", None)
    assert first_rule(rules, Signals(mood=-0.5, confidence=0.9, agent_asked="", refused="")) is None
