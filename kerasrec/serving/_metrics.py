"""Metrics for Prometheus."""

import os
from typing import TYPE_CHECKING, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

if TYPE_CHECKING:
    from kerasrec.serving._current import Current

SEVERAL = "PROMETHEUS_MULTIPROC_DIR"
# If several processes set a gauge, the last value counts.
_LAST: Literal["mostrecent"] = "mostrecent"
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """The metrics of an application, summed over the processes of a server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "kerasrec_requests", "Requests answered.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "kerasrec_request_seconds",
            "Seconds to answer a request.",
            ("route",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.events = Counter("kerasrec_events", "Events accepted.", registry=self._registry)
        self._swaps = Gauge(
            "kerasrec_swaps",
            "Model files that replaced the previous one.",
            registry=self._registry,
            multiprocess_mode=_LAST,
        )
        self._refused = Gauge(
            "kerasrec_refused", "Model files refused.", registry=self._registry, multiprocess_mode=_LAST
        )
        self._items = Gauge(
            "kerasrec_items", "Items served.", registry=self._registry, multiprocess_mode=_LAST
        )
        self._users = Gauge(
            "kerasrec_users", "Users known.", registry=self._registry, multiprocess_mode=_LAST
        )

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self, current: "Current") -> bytes:
        """All metrics, in Prometheus's format."""
        self._swaps.set(current.n_swaps)
        self._refused.set(current.n_refused)
        self._items.set(current.served.recommender.n_items)
        self._users.set(current.served.recommender.n_users)
        if SEVERAL not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
