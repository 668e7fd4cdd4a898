"""Billing: what things cost, the append-only ledger of what was used, reports over it, and budgets."""

from frontdesk.billing.errors import BudgetReached
from frontdesk.billing.ledger import (
    DeliveredMessage,
    UsageKind,
    UsageRecord,
    record_deliveries,
    record_usage,
)
from frontdesk.billing.prices import TokenUsage, UnitPrices, cost_usd, message_price, price_of
from frontdesk.billing.privacy import HOLDINGS
from frontdesk.billing.reservations import (
    Reservation,
    Settlement,
    find_accounts,
    foresee,
    reserve,
    settle,
)
from frontdesk.billing.rules import Account, Ceiling, Refusal, Spender, Wish
from frontdesk.billing.schemas import (
    ConversationUsagePublic,
    UsageGroupPublic,
    UsageReportPublic,
    UsageSums,
)

__all__ = [
    "HOLDINGS",
    "Account",
    "BudgetReached",
    "Ceiling",
    "ConversationUsagePublic",
    "DeliveredMessage",
    "Refusal",
    "Reservation",
    "Settlement",
    "Spender",
    "TokenUsage",
    "UnitPrices",
    "UsageGroupPublic",
    "UsageKind",
    "UsageRecord",
    "UsageReportPublic",
    "UsageSums",
    "Wish",
    "cost_usd",
    "find_accounts",
    "foresee",
    "message_price",
    "price_of",
    "record_deliveries",
    "record_usage",
    "reserve",
    "settle",
]
