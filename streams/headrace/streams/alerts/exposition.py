"""Open alerts for Prometheus, as its own ``ALERTS``: one series each, worth 1."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from headrace.streams.alerts.partition import AlertsPartition
from headrace.streams.alerts.transition import Transition
from headrace.streams.worker_metrics_defs import alerts as defs

MAX_SERIES: Final = 1_000
"""Open alerts that are shown; of more, those that fire come first, then the older ones."""


class AlertsCollector(Collector):
    """Reads the partitions whenever it is asked. Register it with a ``CollectorRegistry``."""

    def __init__(self, partitions: Callable[[], Collection[AlertsPartition]]) -> None:
        self._partitions = partitions

    def collect(self) -> Iterator[Family]:
        partitions = list(self._partitions())
        alerts = [alert for partition in partitions for alert in partition.open]
        alerts.sort(key=lambda alert: (alert.state != "firing", alert.starts_at, alert.id))
        shown = Family(defs.OPEN.name, defs.OPEN.help, "gauge")
        for alert in alerts[:MAX_SERIES]:
            shown.add_sample(defs.OPEN.name, _labels(alert), 1.0)
        yield shown
        hidden = max(0, len(alerts) - MAX_SERIES)
        yield GaugeMetricFamily(defs.HIDDEN.name, defs.HIDDEN.help, hidden)
        yield from _by_partition(partitions)


def _by_partition(partitions: list[AlertsPartition]) -> Iterator[Family]:
    judged = GaugeMetricFamily(defs.JUDGED.name, defs.JUDGED.help, labels=defs.JUDGED.labels)
    dropped = CounterMetricFamily(defs.DROPPED.name, defs.DROPPED.help, labels=defs.DROPPED.labels)
    for one in partitions:
        judged.add_metric([str(one.number)], one.written.end)
        dropped.add_metric([str(one.number)], one.engine.windows.dropped)
    yield judged
    yield dropped


def _labels(alert: Transition) -> dict[str, str]:
    return {**alert.labels, "alertstate": alert.state}
