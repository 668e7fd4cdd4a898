"""Budgets as decisions: which apply to a call, and whether a call still fits. Money, not tokens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from frontdesk.core import ids

Key: TypeAlias = tuple[UUID, UUID, date]
# Where the one period of a budget without periods begins.
_EVER = date(1970, 1, 1)
# Nobody sees further than ten years.
_FORESEEN_HOURS = 24 * 3650


class BudgetScope(StrEnum):
    """Whose spending a budget limits. Each conversation or contact has the whole of it to itself."""

    TENANT = "tenant"
    FEATURE = "feature"
    CONVERSATION = "conversation"
    CONTACT = "contact"


class BudgetPeriod(StrEnum):
    """When a budget begins anew, in UTC."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


class Ceiling(StrEnum):
    """Up to which cap a call may go: the soft one, while there is a cheaper way, or the hard one."""

    SOFT = "soft"
    HARD = "hard"


@dataclass(frozen=True)
class Cap:
    """A budget, as calls have to know it."""

    id: UUID
    scope: BudgetScope
    period: BudgetPeriod
    hard_usd: Decimal
    soft_usd: Decimal | None = None
    feature: str | None = None

    def usd(self, ceiling: Ceiling) -> Decimal:
        """The amount that must not be exceeded."""
        if ceiling is Ceiling.SOFT and self.soft_usd is not None:
            return self.soft_usd
        return self.hard_usd

    @property
    def name(self) -> str:
        """What it is called in sentences: `month budget of this tenant`."""
        whose = f"feature {self.feature}" if self.feature else f"this {self.scope}"
        return f"{self.period} budget of {whose}"


@dataclass(frozen=True)
class Spender:
    """What a call is for, and for whom."""

    feature: str
    conversation_id: UUID | None = None
    contact_id: UUID | None = None

    def subject(self, cap: Cap) -> UUID | None:
        """Whose share of the budget is spent; None when the budget does not concern the call."""
        match cap.scope:
            case BudgetScope.TENANT:
                return ids.NIL
            case BudgetScope.FEATURE:
                return ids.NIL if cap.feature == self.feature else None
            case BudgetScope.CONVERSATION:
                return self.conversation_id
            case BudgetScope.CONTACT:
                return self.contact_id


@dataclass(frozen=True)
class Account:
    """One share of one budget in one period: the row that money is taken from."""

    cap: Cap
    subject: UUID
    period_start: date

    @property
    def key(self) -> Key:
        """What tells it from others; also the order in which all lock."""
        return (self.cap.id, self.subject, self.period_start)


def accounts_of(caps: Iterable[Cap], spender: Spender, now: datetime) -> tuple[Account, ...]:
    """The accounts a call is paid from; none when no budget concerns it."""
    return tuple(
        Account(cap, subject, period_start(cap.period, now))
        for cap in caps
        if (subject := spender.subject(cap)) is not None
    )


def period_start(period: BudgetPeriod, now: datetime) -> date:
    """The first day (UTC) of the period that `now` lies in."""
    today = now.astimezone(UTC).date()
    match period:
        case BudgetPeriod.DAY:
            return today
        case BudgetPeriod.MONTH:
            return today.replace(day=1)
        case BudgetPeriod.TOTAL:
            return _EVER


def period_end(period: BudgetPeriod, now: datetime) -> datetime | None:
    """When the period that `now` lies in is over (UTC); None when it never is."""
    first = period_start(period, now)
    match period:
        case BudgetPeriod.DAY:
            end = first + timedelta(days=1)
        case BudgetPeriod.MONTH:
            end = (first + timedelta(days=31)).replace(day=1)
        case BudgetPeriod.TOTAL:
            return None
    return datetime.combine(end, time.min, UTC)


def reaches_cap_at(
    left_usd: Decimal, usd_per_hour: Decimal, now: datetime, end: datetime | None
) -> datetime | None:
    """When a budget is used up if it goes on at that rate; None when not before `end`."""
    if left_usd <= 0:
        return now
    if usd_per_hour <= 0 or (hours := left_usd / usd_per_hour) > _FORESEEN_HOURS:
        return None
    at = now + timedelta(hours=float(hours))
    return at if end is None or at < end else None


@dataclass(frozen=True)
class Wish:
    """What one call would take from each of its accounts, at worst."""

    accounts: tuple[Account, ...]
    usd: Decimal
    ceiling: Ceiling


@dataclass(frozen=True)
class Refusal:
    """Which budget is used up for a call, and up to which of its caps.

    `unpriced` names a model that must not be called on a budget, as nobody knows what it costs.
    `unpaid` says that it is no budget at all: the tenant's subscription is unpaid or has ended.
    """

    cap: Cap
    ceiling: Ceiling
    unpriced: str | None = None
    unpaid: bool = False

    @property
    def sentence(self) -> str:
        """The same in words, for the trace, the packet and the feed."""
        if self.unpaid:
            return "The subscription is unpaid or has ended, so no model may be asked."
        if self.unpriced is not None:
            return f"The price of {self.unpriced} is not known, and there is a {self.cap.name}."
        usd = self.cap.usd(self.ceiling).normalize()
        return f"The {self.cap.name} is used up: {usd:f} USD ({self.ceiling} cap)."


def grant(wishes: Sequence[Wish], used_usd: dict[Key, Decimal]) -> list[Refusal | None]:
    """Which wishes are granted, in their order; each takes from all of its accounts or from none.

    Args:
        used_usd: what is spent or reserved of each account; what is granted is added to it.
    """
    return [_grant(wish, used_usd) for wish in wishes]


def _grant(wish: Wish, used_usd: dict[Key, Decimal]) -> Refusal | None:
    for account in wish.accounts:
        wanted = used_usd[account.key] + wish.usd
        if wanted > account.cap.usd(wish.ceiling):
            too_much = wanted > account.cap.hard_usd
            return Refusal(account.cap, Ceiling.HARD if too_much else Ceiling.SOFT)
    for account in wish.accounts:
        used_usd[account.key] += wish.usd
    return None
