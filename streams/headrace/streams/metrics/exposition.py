"""The running totals as Prometheus' counters and histograms.

Each series has the label ``partition`` beside its own: when a partition moves to another worker,
the series ends here and goes on there where it stood, and no sum of two ever falls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from headrace.events.metrics import METRICS, Metric

Row = tuple[str, list[Any]]
"""``(partition, [tenant, metric, labels, count, sum, buckets])``"""


class TotalsCollector(Collector):
    """Reads the totals whenever it is asked. Register it with a ``CollectorRegistry``."""

    def __init__(self, totals: Callable[[], dict[int, list[Any]]]) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Family]:
        rows: dict[str, list[Row]] = {}
        for partition, series in sorted(self._totals().items()):
            for one in series:
                rows.setdefault(one[1], []).append((str(partition), one))
        for name, metric in METRICS.items():
            # A gauge's total says nothing.
            if name in rows and metric.kind != "gauge":
                yield _family(metric, rows[name])


def _family(metric: Metric, rows: list[Row]) -> Family:
    names = ["tenant", "partition", *map(label_name, metric.labels)]
    text = f"{metric.help} ({metric.name})"
    if metric.kind == "counter":
        counter = CounterMetricFamily(metric.prometheus_name, text, labels=names)
        for partition, (tenant, _, labels, _, total, _) in rows:
            counter.add_metric([tenant, partition, *labels], total)
        return counter
    histogram = HistogramMetricFamily(metric.prometheus_name, text, labels=names)
    bounds = [*map(_bound, metric.buckets), "+Inf"]
    for partition, (tenant, _, labels, _, total, buckets) in rows:
        cumulative = list(zip(bounds, accumulate(buckets), strict=True))
        histogram.add_metric([tenant, partition, *labels], cumulative, total)
    return histogram


def label_name(name: str) -> str:
    """Return a label's name for Prometheus: no dots."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _bound(bound: float) -> str:
    return str(float(bound))
