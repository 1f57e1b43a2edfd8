"""The panes of the archive, in the order of their starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.model import RuleSet
from headrace.streams.alerts.records import PaneRecord, pane_of

SLICE: Final = 3600
"""Seconds of panes a query: the server sorts no more at once, however long the span."""

_WHERE: Final = """
WHERE metric IN {metrics:Array(String)} AND start >= toDateTime({start:UInt32})
    AND start < toDateTime({end:UInt32})
    AND (empty({tenants:Array(String)}) OR tenant IN {tenants:Array(String)})
"""
_PANES: Final = f"""
SELECT tenant, metric, labels, toUnixTimestamp(start) AS at, count, sum, buckets FROM metrics
{_WHERE} ORDER BY start
"""
_SPAN: Final = f"""
SELECT count() AS panes, toUnixTimestamp(min(start)) AS first, toUnixTimestamp(max(start)) AS last
FROM metrics {_WHERE}
"""
_NAMES: Final = ("tenant", "metric", "labels", "start", "count", "sum", "buckets")
_ONE_SOURCE: Final = {"log": "", "partition": 0, "generation": 0, "offset": 0}
"""The view has added up what every source says of a pane."""


@dataclass(slots=True)
class Panes:
    """The panes that some rules need. Not for several threads."""

    archive: Archive
    metrics: Sequence[str]
    tenants: Sequence[str]
    """Empty: every one."""
    read: int = 0
    """How many were read."""
    unread: list[str] = field(default_factory=list)
    """Of each metric whose panes are not as this version counts: why not."""

    def between(
        self, start: int, end: int, progress: Callable[[int], None]
    ) -> Iterator[PaneRecord]:
        """Yield the panes that start in ``[start, end)`` (s), without holding them all.

        ``progress`` is told how far it has come, in seconds since 1970. Raises CommandError.
        """
        for at in range(start, end, SLICE):
            progress(at)
            parameters = self._parameters(at, min(at + SLICE, end))
            for row in self.archive.stream(_PANES, parameters):
                if (pane := self._pane(row)) is not None:
                    self.read += 1
                    yield pane

    def span(self) -> tuple[int, int] | None:
        """Return when the first and the last pane of the whole archive start; None without any."""
        (row,) = self.archive.rows(_SPAN, self._parameters(0, 2**32 - 1))
        return (row["first"], row["last"]) if row["panes"] else None

    def _parameters(self, start: int, end: int) -> dict[str, Any]:
        return {
            "metrics": self.metrics,
            "tenants": self.tenants,
            "start": start,
            "end": end,
        }

    def _pane(self, row: Sequence[Any]) -> PaneRecord | None:
        data = dict(zip(_NAMES, row, strict=True))
        try:
            return pane_of(data | _ONE_SOURCE)
        except ValueError as error:
            if str(error) not in self.unread:
                self.unread.append(str(error))
            return None


def metrics_of(rules: RuleSet) -> list[str]:
    """Name the metrics that the rules read."""
    return sorted({one.metric for rule in rules.rules for one in rule.selectors})


def tenants_of(rules: RuleSet) -> list[str]:
    """Name the tenants that the rules read; none where they read every one's."""
    found = set()
    for selector in (one for rule in rules.rules for one in rule.selectors):
        named = [m.value for m in selector.matchers if (m.name, m.operator) == ("tenant", "=")]
        if not named:
            return []
        found.add(named[0])
    return sorted(found)


def floor(seconds: float) -> int:
    """Return the start of the pane that a time (s) falls into."""
    return int(seconds) - int(seconds) % PANE_SECONDS
