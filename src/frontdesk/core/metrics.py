"""Prometheus metrics of one process. Tenants are labels on few counters and never on histograms."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The counters a process keeps; one instance per process, with a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
        self.streams = Gauge(
            "frontdesk_feed_streams", "Open live feed streams", registry=self.registry
        )
