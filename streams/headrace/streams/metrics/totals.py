"""Running totals of each series since the log began: what Prometheus' counters are."""

from __future__ import annotations

from typing import Any

from headrace.events.metrics import OTHER

Labels = tuple[str, ...]
"""Values of a metric's labels, in its order."""

Series = tuple[str, str, Labels]
"""``(tenant, metric, labels)``"""


class Total:
    """A series' sum, count and buckets, over all panes."""

    __slots__ = ("buckets", "count", "sum")

    def __init__(self, count: int, total: float, buckets: list[int]) -> None:
        self.count = count
        self.sum = total
        self.buckets = buckets


class Totals:
    """The totals of one partition, at most so many series and ``other``."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self.series: dict[Series, Total] = {}

    def enter(self, tenant: str, metric: str, labels: Labels, buckets: int) -> Total:
        """Return the total of a series, a new one where there is none.

        To be called in the order of the log, so that which series are ``other`` hangs on it alone.
        """
        series = (tenant, metric, labels)
        total = self.series.get(series)
        if total is None:
            if len(self.series) >= self._bound:
                series = (OTHER, metric, (OTHER,) * len(labels))
            total = self.series.setdefault(series, Total(0, 0.0, [0] * buckets))
        return total

    def as_data(self) -> list[Any]:
        return [
            [tenant, metric, labels, total.count, total.sum, [*total.buckets]]
            for (tenant, metric, labels), total in self.series.items()
        ]

    def load(self, data: list[Any]) -> None:
        for tenant, metric, labels, count, total, buckets in data:
            self.series[tenant, metric, tuple(labels)] = Total(count, total, list(buckets))
