"""Which models are left alone right now, as metrics of this process."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class BreakerGauges(Collector):
    """1 for a model that is left alone, 0 for one that is asked; those that were asked here lately.

    A tenant's own key has a breaker of its own, which is not told here: it is that tenant's affair.
    """

    def __init__(
        self, registry: CollectorRegistry, states: Callable[[], Mapping[str, bool]]
    ) -> None:
        self._states = states
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering asks nothing."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads."""
        gauge = GaugeMetricFamily(
            "frontdesk_llm_breaker_open", "Models that are left alone now", labels=["model"]
        )
        for circuit, is_open in self._states().items():
            if ":" not in circuit.partition("/")[0]:
                gauge.add_metric([circuit], is_open)
        yield gauge
