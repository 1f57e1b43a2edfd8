"""A rules file tried on the past: how often each rule would have fired, and how near it came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.backtest import Episode, backtest
from headrace.streams.alerts.conditions import Reading
from headrace.streams.alerts.grouping import Grouper, Notification
from headrace.streams.alerts.inhibition import Inhibitor, inhibits_of
from headrace.streams.alerts.model import Rule, RuleSet
from headrace.streams.alerts.records import PaneRecord
from headrace.streams.alerts.transition import Transition
from headrace.streams.alerts.windows import Group


@dataclass(frozen=True, slots=True)
class Extreme:
    """The value of a rule that came nearest to its threshold, or went the farthest beyond it."""

    value: float
    samples: float
    group: Group
    pane: int
    """Its start, in seconds since 1970."""


@dataclass(slots=True)
class Tried:
    """What one rule would have done within the span."""

    rule: Rule
    end: int
    """Where the span ends, in seconds since 1970."""
    episodes: list[Episode] = field(default_factory=list)
    """Those that began within the span, in the order in which they began."""
    pages: int = 0
    """Notifications of something that fires, repeated ones too."""
    extreme: Extreme | None = None
    """None: no window had enough samples."""

    @property
    def fired(self) -> list[Episode]:
        return [one for one in self.episodes if one.fired_at is not None]

    @property
    def longest(self) -> int:
        """Seconds that the longest firing took."""
        return max((firing_seconds(one, self.end) for one in self.fired), default=0)

    @property
    def total(self) -> int:
        """Seconds of all firings together."""
        return sum(firing_seconds(one, self.end) for one in self.fired)


def firing_seconds(episode: Episode, end: int) -> int:
    """Return for how long it fired; what still does, up to ``end`` (s since 1970)."""
    if episode.fired_at is None:
        return 0
    return (end if episode.ended_at is None else episode.ended_at) - episode.fired_at


def run(rules: RuleSet, panes: Iterable[PaneRecord], start: int, end: int) -> list[Tried]:
    """Try the rules on panes, which begin before the span does so that its windows are whole.

    Counts what begins in ``[start, end)`` (s since 1970); of alerts that were open before, nothing.
    """
    watch = _Watch(rules, start, end)
    for episode in backtest(rules, panes, end, watch):
        if episode.began_at >= start:
            watch.tried[episode.rule].episodes.append(episode)
    for one in watch.tried.values():
        one.episodes.sort(key=lambda episode: (episode.began_at, episode.id))
    return list(watch.tried.values())


class _Watch:
    """Notes extremes and counts pages while a backtest goes on."""

    def __init__(self, rules: RuleSet, start: int, end: int) -> None:
        self.tried = {rule.name: Tried(rule, end) for rule in rules.rules}
        self._start = start
        self._before: set[str] = set()
        """Ids of the alerts that began before the span."""
        self._inhibitor = Inhibitor(inhibits_of(rules))
        self._grouper = Grouper(
            rules.grouping, lambda labels: self._inhibitor.inhibited_by(labels) is not None
        )

    def measured(self, rule: Rule, end: int, readings: Mapping[Group, Reading]) -> None:
        if end <= self._start:
            return
        tried = self.tried[rule.name]
        for group, reading in readings.items():
            if tried.extreme is None or _beyond(rule, reading.value, tried.extreme.value):
                pane = end - PANE_SECONDS
                tried.extreme = Extreme(reading.value, reading.samples, group, pane)

    def judged(self, end: int, transitions: Sequence[Transition]) -> None:
        self._tell(end - 1)
        for transition in transitions:
            self._inhibitor.take(transition)
            if transition.seq == 1 and transition.pane < self._start:
                self._before.add(transition.id)
            if transition.id not in self._before:
                self._grouper.take(transition, end)
        self._tell(end)

    def _tell(self, until: int) -> None:
        """Tell what is due, each at its time."""
        while (due := self._grouper.next_due()) is not None and due <= until:
            for notification in self._grouper.due(due):
                self._count(notification)

    def _count(self, notification: Notification) -> None:
        if notification.reason == "resolved alerts":
            return  # what fires still was told before
        for name in {one.rule for one in notification.alerts if one.state == "firing"}:
            self.tried[name].pages += 1


def _beyond(rule: Rule, value: float, other: float) -> bool:
    return value > other if rule.comparison == "above" else value < other
