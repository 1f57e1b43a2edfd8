"""Panes in memory: what a selector's series add up to over a window.

The store holds the newest state of every (series, pane, source), so neither the order of records
nor how often each comes changes an answer; sums are rounded from all their parts at once, so not
even the last bit does. What is older than the longest window of the rules is dropped, and beyond a
number of cells the oldest panes go first, counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from math import fsum
from typing import Final, TypeVar

from headrace.events.metrics import METRICS, PANE_SECONDS
from headrace.streams.alerts.matchers import Selector, all_match
from headrace.streams.alerts.measures import Absent
from headrace.streams.alerts.model import Rule
from headrace.streams.alerts.panes import Merged, Pane
from headrace.streams.alerts.presence import Presence
from headrace.streams.alerts.records import PaneRecord

T = TypeVar("T")
Group = tuple[str, ...]
"""The tenant, then the values of the labels that are grouped by."""

MAX_CELLS: Final = 2_000_000
"""About 900 bytes each, with one source."""


_Labels = tuple[str, ...]
_Panes = dict[int, Pane]
"""By start."""
_FUTURE: Final = 86_400
"""Seconds ahead from which a pane comes of a wrong clock: such ones make room first."""


class Windows:
    """The panes that the rules may ask for. Belongs to one thread."""

    def __init__(
        self,
        memory: Mapping[str, int],
        known: Mapping[str, int] | None = None,
        gap: int = PANE_SECONDS + 1,
        max_cells: int = MAX_CELLS,
    ) -> None:
        """Hold each metric's panes for so many seconds; metrics that are not named are not held.

        For ``known`` seconds it is remembered when a metric's series were there, but for silences
        shorter than ``gap``.
        """
        self._memory = memory
        self._known = known or {}
        self._gap = gap
        self._max_cells = max_cells
        self._panes: dict[str, dict[str, dict[_Labels, _Panes]]] = defaultdict(dict)
        """By metric, tenant and labels."""
        self._starts: dict[str, dict[int, set[tuple[str, _Labels]]]] = defaultdict(dict)
        """By metric and start, which series have that pane."""
        self._presence: dict[str, dict[str, dict[_Labels, Presence]]] = defaultdict(dict)
        self.cells = 0
        self.now = 0
        """The end of the latest pane that was asked for: what is too old hangs on it."""
        self.dropped = 0
        """Cells that went before their time, to make room."""

    @classmethod
    def for_rules(cls, rules: Iterable[Rule], max_cells: int = MAX_CELLS) -> Windows:
        """Make a store that holds what rules read, as long as they read it."""
        memory: dict[str, int] = {}
        known: dict[str, int] = {}
        gaps = []
        for rule in rules:
            if isinstance(rule.measure, Absent):
                held, seconds = known, max(rule.window, rule.measure.known)
                gaps.append(rule.window + PANE_SECONDS)
            else:
                held, seconds = memory, rule.memory
            for selector in rule.selectors:
                held[selector.metric] = max(held.get(selector.metric, 0), seconds)
        return cls(memory, known, min(gaps, default=PANE_SECONDS + 1), max_cells)

    def floor(self, metric: str) -> int:
        """The start of the oldest pane of a metric that is held."""
        return self.now - self._memory[metric]

    # ── taking in ────────────────────────────────────────────────────────────

    def take(self, record: PaneRecord) -> bool:
        """Take a record in; whether it changed anything."""
        changed = record.metric in self._known and self._see(record)
        if record.metric not in self._memory or record.start < self.floor(record.metric):
            return changed
        pane = self._pane(record)
        before = pane.sources.get(record.source)
        if before is not None and before.offset >= record.offset:
            return changed
        pane.put(record)
        if before is None:
            self.cells += 1
            if self.cells > self._max_cells:
                self._make_room()
        return True

    def _pane(self, record: PaneRecord) -> Pane:
        by_labels = self._panes[record.metric].setdefault(record.tenant, {})
        panes = by_labels.setdefault(record.labels, {})
        pane = panes.get(record.start)
        if pane is None:
            pane = panes[record.start] = Pane()
            having = self._starts[record.metric].setdefault(record.start, set())
            having.add((record.tenant, record.labels))
        return pane

    def _see(self, record: PaneRecord) -> bool:
        if record.start < self.now - self._known[record.metric]:
            return False
        by_labels = self._presence[record.metric].setdefault(record.tenant, {})
        return by_labels.setdefault(record.labels, Presence()).add(record.start, self._gap)

    def advance(self, now: int) -> None:
        """Drop what no rule can ask for once panes up to ``now`` (s, a pane's end) are whole."""
        if now <= self.now:
            return
        self.now = now
        for metric, starts in self._starts.items():
            floor = self.floor(metric)
            for start in [start for start in starts if start < floor]:
                self._drop(metric, start)
        for metric, by_tenant in self._presence.items():
            for tenant, by_labels in list(by_tenant.items()):
                for labels, presence in list(by_labels.items()):
                    presence.drop(now - self._known[metric])
                    if not presence:
                        del by_labels[labels]
                if not by_labels:
                    del by_tenant[tenant]

    def forget(self, tenants: Iterable[str]) -> None:
        """Drop everything of tenants that another worker has now."""
        for tenant in tenants:
            for metric, by_tenant in self._panes.items():
                for labels, panes in by_tenant.pop(tenant, {}).items():
                    for start, pane in panes.items():
                        self.cells -= len(pane.sources)
                        self._starts[metric][start].discard((tenant, labels))
            for presences in self._presence.values():
                presences.pop(tenant, None)

    def _drop(self, metric: str, start: int) -> int:
        """Drop a metric's panes of one start; how many cells that were."""
        dropped = 0
        by_tenant = self._panes[metric]
        for tenant, labels in self._starts[metric].pop(start, ()):
            by_labels = by_tenant[tenant]
            dropped += len(by_labels[labels].pop(start).sources)
            if not by_labels[labels]:
                del by_labels[labels]
                if not by_labels:
                    del by_tenant[tenant]
        self.cells -= dropped
        return dropped

    def _make_room(self) -> None:
        """Drop a tenth, the oldest first, so that the next records find room too."""
        future = self.now + _FUTURE if self.now else 1 << 62
        all_starts = {start for starts in self._starts.values() for start in starts}
        least = self.cells - self._max_cells // 10
        for start in sorted(all_starts, key=lambda start: (start < future, start)):
            if self.cells <= least:
                break
            for metric in self._starts:
                self.dropped += self._drop(metric, start)

    # ── answering ────────────────────────────────────────────────────────────

    def merged(
        self,
        selectors: Iterable[Selector],
        group_by: _Labels,
        start: int,
        end: int,
        tenant: str | None = None,
    ) -> dict[Group, Merged]:
        """Add up over ``[start, end)`` (s, whole panes), by tenant and labels.

        A series that several selectors fit counts once for each. Of all tenants, or of one.
        """
        found: dict[Group, Merged] = {}
        for selector in selectors:
            for group, panes in self._fitting(self._panes, selector, group_by, tenant):
                inside = _inside(panes, start, end)
                if inside:
                    found.setdefault(group, Merged()).panes += inside.values()
        return found

    def largest(
        self,
        selectors: Iterable[Selector],
        group_by: _Labels,
        start: int,
        end: int,
        tenant: str | None = None,
    ) -> dict[Group, float]:
        """Give the largest that a pane of ``[start, end)`` had, a group's series added up."""
        parts: dict[Group, dict[int, list[float]]] = {}
        for selector in selectors:
            for group, panes in self._fitting(self._panes, selector, group_by, tenant):
                for at, pane in _inside(panes, start, end).items():
                    parts.setdefault(group, {}).setdefault(at, []).append(pane.sum)
        return {group: max(map(fsum, by_start.values())) for group, by_start in parts.items()}

    def last_seen(
        self,
        selectors: Iterable[Selector],
        group_by: _Labels,
        start: int,
        end: int,
        tenant: str | None = None,
    ) -> dict[Group, int]:
        """Give the start of each group's latest pane of those that start in ``[start, end)``."""
        found: dict[Group, int] = {}
        for selector in selectors:
            for group, presence in self._fitting(self._presence, selector, group_by, tenant):
                last = presence.last(end)
                if last is not None and last >= start:
                    found[group] = max(last, found.get(group, last))
        return found

    def _fitting(
        self,
        series: Mapping[str, Mapping[str, Mapping[_Labels, T]]],
        selector: Selector,
        group_by: _Labels,
        tenant: str | None,
    ) -> Iterator[tuple[Group, T]]:
        by_tenant = series.get(selector.metric, {})
        tenants = by_tenant if tenant is None else (tenant,)
        for name in tenants:
            for values, held in by_tenant.get(name, {}).items():
                group = _placed(selector, group_by, name, values)
                if group is not None:
                    yield group, held


def _inside(panes: _Panes, start: int, end: int) -> dict[int, Pane]:
    """Find the panes that start in ``[start, end)``, added up."""
    if len(panes) < (end - start) // PANE_SECONDS:
        return {at: pane.added_up() for at, pane in panes.items() if start <= at < end}
    return {at: panes[at].added_up() for at in range(start, end, PANE_SECONDS) if at in panes}


@lru_cache(100_000)
def _placed(selector: Selector, group_by: _Labels, tenant: str, values: _Labels) -> Group | None:
    """Find the group that a series belongs to, None where the selector does not fit it."""
    names = METRICS[selector.metric].labels
    labels = {"tenant": tenant, **dict(zip(names, values, strict=True))}
    if not all_match(selector.matchers, labels):
        return None
    return (tenant, *(labels[name] for name in group_by))
