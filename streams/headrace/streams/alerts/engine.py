"""Rules over panes: takes records of agent.metrics, gives what is to be written of alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.conditions import evaluate
from headrace.streams.alerts.life import Change, Life
from headrace.streams.alerts.measures import Absent, Anomaly
from headrace.streams.alerts.model import Rule, RuleSet
from headrace.streams.alerts.records import PaneRecord
from headrace.streams.alerts.transition import Transition
from headrace.streams.alerts.windows import MAX_CELLS, Windows

MAX_CATCH_UP: Final = 21_600
"""Seconds of panes that are judged after a pause; what is older than that is passed over."""


class Engine:
    """The rules, the panes that they read, and the alerts that they made. Belongs to one thread."""

    def __init__(
        self, rules: RuleSet, clock: Callable[[], float], max_cells: int = MAX_CELLS
    ) -> None:
        self.rules = rules
        self.windows = Windows.for_rules(rules.rules, max_cells)
        self.life = Life(rules.rules, clock)
        self.judged = 0
        """The end of the last pane that was judged, in seconds; 0: none yet."""
        self.late = 0
        """Records that changed a pane that was judged already."""
        self._late: dict[tuple[str, str], tuple[int, int]] = {}
        """By tenant and metric, the first and the last pane that changed so."""

    def restore(self, records: Iterable[Transition], judged: int = 0) -> None:
        """Take up the latest records of agent.alerts; what ended by ``judged`` (s) is judged."""
        self.life.restore(records)
        self.judged = max(self.judged, judged)

    def forget(self, tenants: Iterable[str]) -> None:
        """Drop everything of tenants that another worker has now."""
        gone = set(tenants)
        self.windows.forget(gone)
        self.life.forget(gone)
        self._late = {key: panes for key, panes in self._late.items() if key[0] not in gone}

    def take(self, record: PaneRecord) -> None:
        """Take a record in. Nothing is judged before :meth:`advance`.

        What is read before the first one is the past, and no news however old it is.
        """
        if self.windows.take(record) and record.start < self.windows.now:
            self.late += 1
            key = (record.tenant, record.metric)
            first, last = self._late.get(key, (record.start, record.start))
            self._late[key] = (min(first, record.start), max(last, record.start))

    def advance(self, end: int) -> list[Change]:
        """Judge every pane that ends up to a time (s) and was not judged yet, one by one.

        Windows that late records changed are judged again, as far back as they are held whole:
        that may open and end alerts of the past.
        """
        end -= end % PANE_SECONDS
        changes = self.life.retire(end)
        changes += self._look_back()
        first = self.judged + PANE_SECONDS if self.judged else end
        for one in range(max(first, end - MAX_CATCH_UP), end + 1, PANE_SECONDS):
            self.windows.advance(one)
            for rule in self.rules.rules:
                changes += self.life.step(rule, one, evaluate(rule, self.windows, one))
            self.judged = one
        return changes

    def _look_back(self) -> list[Change]:
        late, self._late = self._late, {}
        changes = []
        for rule in self.rules.rules:
            if isinstance(rule.measure, (Absent, Anomaly)):
                continue  # late events end no silence of now, and earlier days are days ago
            metrics = {selector.metric for selector in rule.selectors}
            for tenant in sorted({tenant for tenant, metric in late if metric in metrics}):
                spans = [late[tenant, metric] for metric in metrics if (tenant, metric) in late]
                changes += self._judge_again(
                    rule, tenant, min(one for one, _ in spans), max(one for _, one in spans)
                )
        return changes

    def _judge_again(self, rule: Rule, tenant: str, first: int, last: int) -> list[Change]:
        changes: list[Change] = []
        whole = max(self.windows.floor(one.metric) for one in rule.selectors) + rule.window
        for end in range(max(first + PANE_SECONDS, whole), self.judged + 1, PANE_SECONDS):
            if end > last + rule.window and not self.life.has_open(rule.name, tenant):
                break
            readings = evaluate(rule, self.windows, end, tenant)
            changes += self.life.step(rule, end, readings, tenant)
        return changes
