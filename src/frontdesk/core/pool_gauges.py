"""Connections to Postgres as metrics, counted when Prometheus asks."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from frontdesk.core.db import Database


class PoolGauges(Collector):
    """How many connections of each pool of this process are busy and idle, and how many it may have."""

    def __init__(self, registry: CollectorRegistry, db: Database) -> None:
        self._db = db
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering needs no open pools."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads."""
        gauge = GaugeMetricFamily(
            "frontdesk_db_connections", "Connections to Postgres", labels=["pool", "state"]
        )
        for pool, (busy, idle) in self._db.connections().items():
            gauge.add_metric([pool, "busy"], busy)
            gauge.add_metric([pool, "idle"], idle)
        yield gauge
        yield GaugeMetricFamily(
            "frontdesk_db_pool_size", "Most connections of each pool", self._db.settings.pool_size
        )
