"""Numbers in Prometheus' text format, for the JobTracker and for TaskTrackers.

Names and units follow Prometheus' conventions: base units, and `_total` for numbers that only grow.
prometheus_client is imported at first use, because it would delay every start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import Metric

PATH = "/metrics"
Values = Mapping[Any, float]
"""The values of a metric, by the values of its labels (tuples of texts). The tuples have two types,
because for mypy the empty tuple is another type.
"""


def keys(values: Mapping[str, float]) -> Values:
    """The values of a metric with one label."""
    return {(name,): value for name, value in values.items()}


def gauge(name: str, what: str, values: Values, *labels: str) -> Metric:
    """A number that goes up and down."""
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"mrmesos_{name}", what, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family


def counter(name: str, what: str, values: Values, *labels: str) -> Metric:
    """A number that only grows. `_total` is added to its name."""
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"mrmesos_{name}", what, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family


def exposition(families: Iterable[Metric]) -> bytes:
    """The text for a scraper."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    found = list(families)

    class Once(Collector):
        def collect(self) -> Iterable[Metric]:
            return found

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Once())
    return generate_latest(registry)


def content_type() -> str:
    """The type of the text."""
    from prometheus_client import CONTENT_TYPE_LATEST

    return CONTENT_TYPE_LATEST
