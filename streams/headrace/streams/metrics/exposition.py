"""What partitions have counted, for Prometheus: totals as counters and histograms, and gauges.

Each series has the label ``partition`` beside its own: when a partition moves to another worker,
the series ends here and goes on there where it stood, and no sum of two ever falls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from headrace.events.metrics import METRICS, PANE_SECONDS, Metric
from headrace.streams.metrics.partition import Partition
from headrace.streams.metrics.totals import Labels
from headrace.streams.worker_metrics_defs import metrics as defs

Row = tuple[str, list[Any]]
"""``(partition, [tenant, metric, labels, count, sum, buckets])``"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One partition as it was last saved: whatever crashes, no counter falls."""

    totals: list[Any]
    """As :meth:`Totals.as_data` gives them."""
    gauges: list[tuple[str, str, Labels, float]]
    """Tenant, metric, labels and value, of the last whole pane."""
    duplicates: int
    skipped: int
    forgotten: int
    missing: int
    watermark: float | None = None

    @classmethod
    def of(cls, state: Partition, now: float, watermark: float | None = None) -> Shown:
        """Copy what is shown out of a state, at ``now`` (s since 1970)."""
        last_whole = int(now) // PANE_SECONDS * PANE_SECONDS - PANE_SECONDS
        return cls(
            totals=state.totals.as_data(),
            gauges=state.gauges(last_whole),
            duplicates=state.duplicates,
            skipped=state.skipped,
            forgotten=state.forgotten,
            missing=state.missing,
            watermark=watermark,
        )


class PartitionsCollector(Collector):
    """Reads what is shown whenever it is asked. Register it with a ``CollectorRegistry``."""

    def __init__(self, shown: Callable[[], dict[int, Shown]]) -> None:
        self._shown = shown

    def collect(self) -> Iterator[Family]:
        shown = sorted(self._shown().items())
        rows: dict[str, list[Row]] = {}
        for partition, one in shown:
            for series in one.totals:
                rows.setdefault(series[1], []).append((str(partition), series))
        for name, metric in METRICS.items():
            if metric.kind == "gauge":
                yield from _gauge(metric, shown)
            elif name in rows:
                yield _family(metric, rows[name])
        yield from _health(shown)


def _gauge(metric: Metric, shown: list[tuple[int, Shown]]) -> Iterator[Family]:
    names = ["tenant", "partition", *map(label_name, metric.labels)]
    family = GaugeMetricFamily(
        metric.prometheus_name, f"{metric.help} ({metric.name})", labels=names
    )
    for partition, one in shown:
        for tenant, name, labels, value in one.gauges:
            if name == metric.name:
                family.add_metric([tenant, str(partition), *labels], value)
    if family.samples:
        yield family


def _health(shown: list[tuple[int, Shown]]) -> Iterator[Family]:
    for definition, name in (
        (defs.DUPLICATES, "duplicates"),
        (defs.SKIPPED, "skipped"),
        (defs.FORGOTTEN, "forgotten"),
        (defs.MISSING, "missing"),
        (defs.WATERMARK, "watermark"),
    ):
        family: CounterMetricFamily | GaugeMetricFamily
        if definition.kind == "counter":
            family = CounterMetricFamily(definition.name, definition.help, labels=definition.labels)
        else:
            family = GaugeMetricFamily(definition.name, definition.help, labels=definition.labels)
        for partition, one in shown:
            if (found := getattr(one, name)) is not None:
                family.add_metric([str(partition)], found)
        yield family


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
