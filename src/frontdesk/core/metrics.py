"""Prometheus metrics of one process. Tenants are labels on few counters and never on histograms.

What is counted is counted here as it happens; what has to be looked up (`BacklogGauges`, `PoolGauges`)
is looked up when Prometheus asks.
"""

from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ANSWER_SECONDS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300)
# So many tenants have series of their own in a process, the first it meets; each has some dozens.
MOST_TENANTS = 100
OTHER_TENANTS = "other"


class Metrics:
    """The counters a process keeps; one instance per process, with a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._tenants: dict[UUID, str] = {}
        ProcessCollector(registry=self.registry)  # CPU, memory, open files.
        self.requests = Counter(
            "frontdesk_http_requests",
            "HTTP requests",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "frontdesk_http_request_seconds",
            "Time to answer an HTTP request",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.webhooks = Counter(
            "frontdesk_webhooks", "Webhook deliveries", ["outcome"], registry=self.registry
        )
        self.webhook_items = Counter(
            "frontdesk_webhook_items",
            "What webhooks carried",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.work = Counter(
            "frontdesk_work", "Due rows handled", ["kind", "outcome"], registry=self.registry
        )
        self.work_seconds = Histogram(
            "frontdesk_work_seconds",
            "Time to handle a due row",
            ["kind"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.turns = Counter(
            "frontdesk_turns", "Bursts answered", ["tenant", "outcome"], registry=self.registry
        )
        self.answer_seconds = Histogram(
            "frontdesk_answer_seconds",
            "From when a contact began to wait to what was decided",
            ["outcome"],
            buckets=_ANSWER_SECONDS,
            registry=self.registry,
        )
        self.handoffs = Counter(
            "frontdesk_handoffs", "Bursts given to people", ["reason"], registry=self.registry
        )
        self.guard = Counter(
            "frontdesk_guard", "Checks of drafts", ["verdict"], registry=self.registry
        )
        self.retrievals = Counter(
            "frontdesk_retrievals",
            "Questions looked up in the knowledge",
            ["tenant", "found"],
            registry=self.registry,
        )
        self.retrieved_chunks = Counter(
            "frontdesk_retrieved_chunks",
            "Pieces of knowledge put into prompts",
            ["tenant"],
            registry=self.registry,
        )
        self.retrieval_seconds = Histogram(
            "frontdesk_retrieval_seconds",
            "Time to look a question up",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.tool_calls = Counter(
            "frontdesk_tool_calls", "Calls of tools", ["status"], registry=self.registry
        )
        self.rows_in_hand = Gauge(
            "frontdesk_rows_in_hand",
            "Due rows this process works on now",
            ["kind"],
            registry=self.registry,
        )
        self.shed = Counter(
            "frontdesk_shed",
            "What turns went without because work piled up",
            ["what"],
            registry=self.registry,
        )
        self.sends = Counter(
            "frontdesk_sends", "Sends to WhatsApp", ["outcome"], registry=self.registry
        )
        self.channel_alarms = Counter(
            "frontdesk_channel_alarms",
            "Numbers that soon can't answer, or can't any more: an alarm",
            ["what"],
            registry=self.registry,
        )
        self.llm_calls = Counter(
            "frontdesk_llm_calls",
            "Attempts at a model",
            ["model", "feature", "outcome"],
            registry=self.registry,
        )
        self.llm_seconds = Histogram(
            "frontdesk_llm_seconds",
            "Time of an attempt at a model",
            ["model"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.llm_tokens = Counter(
            "frontdesk_llm_tokens",
            "Tokens used",
            ["tenant", "model", "direction"],
            registry=self.registry,
        )
        self.llm_cost_usd = Counter(
            "frontdesk_llm_cost_usd", "Cost in USD", ["tenant", "model"], registry=self.registry
        )
        self.unpriced = Counter(
            "frontdesk_llm_unpriced",
            "Calls to a model our price table does not know: an alarm",
            ["model"],
            registry=self.registry,
        )
        self.spans = Counter(
            "frontdesk_spans",
            "Spans of traces on their way to the collector",
            ["outcome"],
            registry=self.registry,
        )
        self.stripe_alarms = Counter(
            "frontdesk_stripe_alarms",
            "Usage that Stripe counts otherwise, or not at all: an alarm",
            ["what"],
            registry=self.registry,
        )
        for what in ("differs", "refused", "uncertain", "too_old", "meter_errors"):
            # Of a series that begins with its first alarm, `increase()` sees none.
            self.stripe_alarms.labels(what)
        self.usage_anomalies = Counter(
            "frontdesk_usage_anomalies",
            "Hours in which a tenant used far more than usual: an alarm",
            ["measure"],
            registry=self.registry,
        )
        self.budget_alerts = Counter(
            "frontdesk_budget_alerts",
            "Budgets of tenants and features spent to 50, 80 or 100 percent",
            ["scope", "percent"],
            registry=self.registry,
        )
        self.streams = Gauge(
            "frontdesk_feed_streams", "Open live feed streams", registry=self.registry
        )
        self.feed_lag_seconds = Histogram(
            "frontdesk_feed_lag_seconds",
            "From an event to when this process passes it on",
            buckets=_SECONDS,
            registry=self.registry,
        )

    def tenant(self, tenant_id: UUID) -> str:
        """What stands for a tenant in a label: its id, or `other` once there are many."""
        label = self._tenants.get(tenant_id)
        if label is None:
            if len(self._tenants) >= MOST_TENANTS:
                return OTHER_TENANTS
            label = self._tenants[tenant_id] = str(tenant_id)
        return label
