"""Billing: what things cost, the append-only ledger of what was used, and reports over it."""

from frontdesk.billing.ledger import (
    DeliveredMessage,
    UsageKind,
    UsageRecord,
    record_deliveries,
    record_usage,
)
from frontdesk.billing.prices import TokenUsage, UnitPrices, cost_usd, price_of
from frontdesk.billing.privacy import HOLDINGS
from frontdesk.billing.schemas import (
    ConversationUsagePublic,
    UsageGroupPublic,
    UsageReportPublic,
    UsageSums,
)

__all__ = [
    "HOLDINGS",
    "ConversationUsagePublic",
    "DeliveredMessage",
    "TokenUsage",
    "UnitPrices",
    "UsageGroupPublic",
    "UsageKind",
    "UsageRecord",
    "UsageReportPublic",
    "UsageSums",
    "cost_usd",
    "price_of",
    "record_deliveries",
    "record_usage",
]
