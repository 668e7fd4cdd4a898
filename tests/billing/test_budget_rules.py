"""Which budgets concern a call, and what still fits them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from frontdesk.billing.rules import (
    BudgetPeriod,
    BudgetScope,
    Cap,
    Ceiling,
    Spender,
    Wish,
    accounts_of,
    grant,
    period_start,
)
from frontdesk.core import ids

NOW = datetime(2026, 3, 14, 23, 30, tzinfo=UTC)
CONVERSATION, CONTACT = ids.new(), ids.new()


def cap(
    scope: str = "tenant", *, hard: str = "1", soft: str | None = None, feature: str | None = None
) -> Cap:
    return Cap(
        id=ids.new(),
        scope=BudgetScope(scope),
        period=BudgetPeriod.DAY,
        hard_usd=Decimal(hard),
        soft_usd=None if soft is None else Decimal(soft),
        feature=feature,
    )


@pytest.mark.parametrize(
    ("period", "first"),
    [("day", date(2026, 3, 14)), ("month", date(2026, 3, 1)), ("total", date(1970, 1, 1))],
)
def test_a_period_begins_in_utc(period: str, first: date) -> None:
    assert period_start(BudgetPeriod(period), NOW) == first


@pytest.mark.parametrize(
    ("scope", "feature", "spender", "subject"),
    [
        ("tenant", None, Spender("reply"), ids.NIL),
        ("feature", "reply", Spender("reply"), ids.NIL),
        ("feature", "triage", Spender("reply"), None),
        ("conversation", None, Spender("reply", CONVERSATION, CONTACT), CONVERSATION),
        ("conversation", None, Spender("reply"), None),
        ("contact", None, Spender("reply", CONVERSATION, CONTACT), CONTACT),
    ],
)
def test_a_budget_concerns_what_is_of_its_scope(
    scope: str, feature: str | None, spender: Spender, subject: object
) -> None:
    found = accounts_of([cap(scope, feature=feature)], spender, NOW)
    assert [account.subject for account in found] == ([] if subject is None else [subject])


def test_wishes_are_granted_in_turn_until_one_does_not_fit_and_smaller_ones_still_may() -> None:
    day, thread = cap(hard="1.0"), cap("conversation", hard="0.5", soft="0.3")
    both = accounts_of([day, thread], Spender("reply", CONVERSATION), NOW)
    used = {account.key: Decimal(0) for account in both}
    sizes = [
        ("0.3", Ceiling.SOFT),
        ("0.1", Ceiling.SOFT),
        ("0.2", Ceiling.HARD),
        ("0.01", Ceiling.HARD),
    ]
    answers = grant([Wish(both, Decimal(usd), ceiling) for usd, ceiling in sizes], used)
    assert [answer and answer.ceiling for answer in answers] == [None, "soft", None, "hard"]
    assert answers[3] is not None
    assert "day budget of this conversation is used up: 0.5 USD (hard cap)" in answers[3].sentence
    # What was refused by one account was taken from none.
    assert set(used.values()) == {Decimal("0.5")}
