"""One series of one pane, and what many of them add up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import fsum

from headrace.streams.alerts.records import PaneRecord


class Pane:
    """One series of one pane: what its sources say, and what that adds up to."""

    __slots__ = ("_whole", "buckets", "count", "sources", "sum")

    def __init__(self) -> None:
        self.sources: dict[tuple[str, int, int], PaneRecord] = {}
        self.count = 0
        self.sum = 0.0
        self.buckets: tuple[int, ...] = ()
        self._whole = True

    def put(self, record: PaneRecord) -> None:
        self.sources[record.source] = record
        self._whole = False

    def added_up(self) -> Pane:
        """Bring the sums up to date; gives itself."""
        if not self._whole:
            cells = self.sources.values()
            self.count = sum(cell.count for cell in cells)
            self.sum = fsum(cell.sum for cell in cells)
            self.buckets = tuple(map(sum, zip(*(cell.buckets for cell in cells), strict=True)))
            self._whole = True
        return self


@dataclass(slots=True)
class Merged:
    """What the series of one group add up to."""

    panes: list[Pane] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(pane.count for pane in self.panes)

    @property
    def sum(self) -> float:
        """The sum, the same whatever the order of its parts."""
        return fsum([pane.sum for pane in self.panes])

    @property
    def buckets(self) -> list[int]:
        """Observations by bucket, not cumulative; none of what is no histogram."""
        some = [pane.buckets for pane in self.panes if pane.buckets]
        return list(map(sum, zip(*some, strict=True)))
