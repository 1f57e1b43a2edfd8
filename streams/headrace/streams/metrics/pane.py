"""A pane: what ten seconds of one tenant add up to, out of one partition."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from headrace.events.metrics import METRICS, OTHER
from headrace.streams.metrics.totals import Labels, Total, Totals

_BUCKETS: Final = {name: metric.buckets for name, metric in METRICS.items()}
OVERFLOW: Final = "agent.series.other"


@dataclass(frozen=True, slots=True)
class PaneKey:
    """Which pane. One that was evicted and is wanted again is another generation of its window."""

    tenant: str
    start: int
    """Seconds since 1970, whole panes."""
    generation: int
    """The offset that opened it: the same whenever the log is read again."""


class Cell:
    """One series of one pane."""

    __slots__ = ("_told", "_total", "buckets", "count", "dirty", "offset", "sum")

    def __init__(self, buckets: int, total: Total) -> None:
        self.count = 0
        self.sum = 0.0
        self.buckets = [0] * buckets
        """Observations by bucket, not cumulative; none for what is no histogram."""
        self.offset = 0
        """Of the last event that changed it: the greater one is the newer state."""
        self.dirty = False
        self._total = total
        self._told = (0, 0.0, self.buckets.copy())

    def tell(self) -> None:
        """Take what came since the last time into the series' total."""
        count, told, buckets = self._told
        self._total.count += self.count - count
        self._total.sum += self.sum - told
        for at, (now, before) in enumerate(zip(self.buckets, buckets, strict=True)):
            self._total.buckets[at] += now - before
        self.set_told()

    def set_told(self) -> None:
        self.dirty = False
        self._told = (self.count, self.sum, self.buckets.copy())


class Pane:
    """The series of one pane, at most so many a metric: further ones are one series, ``other``."""

    __slots__ = ("_max_series", "_totals", "cells", "dirty", "key", "series")

    def __init__(self, key: PaneKey, max_series: int, totals: Totals) -> None:
        self.key = key
        self._max_series = max_series
        self._totals = totals
        self.cells: dict[tuple[str, Labels], Cell] = {}
        self.series: dict[str, int] = {}
        self.dirty: list[tuple[str, Labels]] = []
        """Series that changed since they were last told, each once."""

    def add(self, metric: str, labels: Labels, value: float, offset: int) -> int:
        """Take an observation in; how many series it made."""
        cell = self.cells.get((metric, labels))
        made = 0
        if cell is None:
            cell, labels, made = self._series(metric, labels, offset)
        cell.count += 1
        cell.sum += value
        if cell.buckets:
            cell.buckets[bisect_left(_BUCKETS[metric], value)] += 1
        cell.offset = offset
        if not cell.dirty:
            cell.dirty = True
            self.dirty.append((metric, labels))
        return made

    def _series(self, metric: str, labels: Labels, offset: int) -> tuple[Cell, Labels, int]:
        made = 0
        if labels and self.series.get(metric, 0) >= self._max_series:
            made = self.add(OVERFLOW, (metric,), 1.0, offset)
            labels = (OTHER,) * len(labels)
            if (cell := self.cells.get((metric, labels))) is not None:
                return cell, labels, made
        return self._new(metric, labels), labels, made + 1

    def _new(self, metric: str, labels: Labels) -> Cell:
        buckets = _BUCKETS[metric]
        size = len(buckets) + 1 if buckets else 0
        self.series[metric] = self.series.get(metric, 0) + 1
        total = self._totals.enter(self.key.tenant, metric, labels, size)
        cell = self.cells[metric, labels] = Cell(size, total)
        return cell

    def take_dirty(self) -> Iterator[tuple[str, Labels, Cell]]:
        """Give what changed since the last time."""
        dirty, self.dirty = self.dirty, []
        for metric, labels in dirty:
            cell = self.cells[metric, labels]
            cell.tell()
            yield metric, labels, cell

    def as_data(self) -> list[Any]:
        key = self.key
        cells = [
            [metric, labels, cell.count, cell.sum, cell.buckets, cell.offset]
            for (metric, labels), cell in self.cells.items()
        ]
        return [key.tenant, key.start, key.generation, cells]

    @classmethod
    def from_data(cls, data: list[Any], max_series: int, totals: Totals) -> Pane:
        """Make a pane of :meth:`as_data`, all of which the totals know already."""
        tenant, start, generation, cells = data
        pane = cls(PaneKey(tenant, start, generation), max_series, totals)
        for metric, labels, count, total, buckets, offset in cells:
            cell = pane._new(metric, tuple(labels))
            cell.count, cell.sum, cell.buckets, cell.offset = count, total, list(buckets), offset
            cell.set_told()
        return pane
