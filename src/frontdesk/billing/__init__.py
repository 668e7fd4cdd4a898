"""Billing: what things cost, the append-only ledger of what was used, reports over it, and budgets."""

from frontdesk.billing.errors import BudgetReached
from frontdesk.billing.human_time import Held, record_human_time
from frontdesk.billing.ledger import (
    BILLED_KINDS,
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
from frontdesk.billing.stripe.errors import NoSuchPlan, StripeNotSetUp
from frontdesk.billing.stripe.plans import set_up as set_up_stripe
from frontdesk.billing.stripe.reconciling import compare as compare_with_stripe

__all__ = [
    "BILLED_KINDS",
    "HOLDINGS",
    "Account",
    "BudgetReached",
    "Ceiling",
    "ConversationUsagePublic",
    "DeliveredMessage",
    "Held",
    "NoSuchPlan",
    "Refusal",
    "Reservation",
    "Settlement",
    "Spender",
    "StripeNotSetUp",
    "TokenUsage",
    "UnitPrices",
    "UsageGroupPublic",
    "UsageKind",
    "UsageRecord",
    "UsageReportPublic",
    "UsageSums",
    "Wish",
    "compare_with_stripe",
    "cost_usd",
    "find_accounts",
    "foresee",
    "message_price",
    "price_of",
    "record_deliveries",
    "record_human_time",
    "record_usage",
    "reserve",
    "set_up_stripe",
    "settle",
]
