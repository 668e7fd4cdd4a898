"""Billing: what things cost, the append-only ledger of what was used, reports over it, and budgets."""

from frontdesk.billing.budget_alerts import Alert
from frontdesk.billing.corrections import correct, find_entry
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
from frontdesk.billing.money_schemas import CorrectionCreate, PriceSet
from frontdesk.billing.month_pages import as_csv as month_as_csv
from frontdesk.billing.month_pages import as_html as month_as_html
from frontdesk.billing.month_pages import usd as in_usd
from frontdesk.billing.months import month_of, report_month, tenant_name
from frontdesk.billing.price_list import (
    list_price_changes,
    list_prices,
    list_unpriced,
    set_price,
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
from frontdesk.billing.rollups import mend, reconcile
from frontdesk.billing.rules import Account, Ceiling, Refusal, Spender, Wish
from frontdesk.billing.schemas import (
    ConversationUsagePublic,
    UsageGroupPublic,
    UsageReportPublic,
    UsageSums,
)
from frontdesk.billing.stripe.errors import NoSuchPlan, StripeNotSetUp
from frontdesk.billing.stripe.models import BatchState
from frontdesk.billing.stripe.plans import set_up as set_up_stripe
from frontdesk.billing.stripe.reconciling import compare as compare_with_stripe
from frontdesk.billing.stripe.settling import STUCK, Verdict, list_waiting, settle_batch

__all__ = [
    "BILLED_KINDS",
    "HOLDINGS",
    "STUCK",
    "Account",
    "Alert",
    "BatchState",
    "BudgetReached",
    "Ceiling",
    "ConversationUsagePublic",
    "CorrectionCreate",
    "DeliveredMessage",
    "Held",
    "NoSuchPlan",
    "PriceSet",
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
    "Verdict",
    "Wish",
    "compare_with_stripe",
    "correct",
    "cost_usd",
    "find_accounts",
    "find_entry",
    "foresee",
    "in_usd",
    "list_price_changes",
    "list_prices",
    "list_unpriced",
    "list_waiting",
    "mend",
    "message_price",
    "month_as_csv",
    "month_as_html",
    "month_of",
    "price_of",
    "reconcile",
    "record_deliveries",
    "record_human_time",
    "record_usage",
    "report_month",
    "reserve",
    "set_price",
    "set_up_stripe",
    "settle",
    "settle_batch",
    "tenant_name",
]
