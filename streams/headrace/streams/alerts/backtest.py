"""Rules over the past: when each would have fired, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.conditions import Reading
from headrace.streams.alerts.engine import Engine
from headrace.streams.alerts.life import Change, Life
from headrace.streams.alerts.measures import Absent
from headrace.streams.alerts.model import Rule, RuleSet
from headrace.streams.alerts.records import PaneRecord
from headrace.streams.alerts.transition import Transition
from headrace.streams.alerts.windows import Group


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert of the past. Times are the starts of panes, seconds since 1970."""

    id: str
    rule: str
    severity: str
    group: Mapping[str, str]
    began_at: int
    """When the condition was met first: pending, where the rule waits."""
    fired_at: int | None
    """None: it was over before ``for`` had passed, or the data end before."""
    ended_at: int | None
    """None: the data end before."""
    value: float
    """What it was when it fired, or when it began."""
    samples: float
    annotations: Mapping[str, str]


class Watcher(Protocol):
    """Sees what a backtest does. What ends at one time is measured first, then judged."""

    def measured(self, rule: Rule, end: int, readings: Mapping[Group, Reading]) -> None:
        """See what a rule measured at the end of a pane (s), of each group that has enough data."""

    def judged(self, end: int, transitions: Sequence[Transition]) -> None:
        """See what became of alerts at the end of a pane (s)."""


def backtest(
    rules: RuleSet, panes: Iterable[PaneRecord], until: int = 0, watcher: Watcher | None = None
) -> Iterator[Episode]:
    """Run rules over panes in the order of their starts; gives each episode when it is over.

    Episodes that last beyond the last pane come at the end. Panes are judged up to ``until`` (s) or
    the end of the last one, without a clock: nothing is too old. Memory is bounded by the rules'
    windows, not by the length of the past.

    Raises :class:`ValueError` where a pane starts before the one before it.
    """
    run = _Run(rules, watcher)
    idle = max(map(reach, rules.rules), default=0)
    at = 0
    for pane in panes:
        if pane.start < at:
            raise ValueError(f"panes must come in order: {pane.start} after {at}")
        if pane.start > at:
            yield from run.judge(min(pane.start, at + idle) if at else 0)
            run.engine.judged = max(run.engine.judged, pane.start - idle) if at else pane.start
            yield from run.judge(pane.start if at else 0)
        at = pane.start
        run.engine.take(pane)
    if at:
        yield from run.judge(max(at + PANE_SECONDS, until))
    yield from sorted(run.episodes.values(), key=lambda one: (one.began_at, one.rule, one.id))


def reach(rule: Rule) -> int:
    """After how many seconds without panes, in whole ones, a rule has nothing more to say."""
    looks = rule.measure.known if isinstance(rule.measure, Absent) else rule.memory
    seconds = looks + rule.hold + rule.keep_firing_for + rule.flap.within
    return (seconds // PANE_SECONDS + 2) * PANE_SECONDS


class _Run:
    """The engine of one backtest, and the episodes that are not over yet."""

    def __init__(self, rules: RuleSet, watcher: Watcher | None) -> None:
        self.engine = Engine(rules, lambda: self._now)
        self.episodes: dict[str, Episode] = {}
        self._now = 0.0
        self._watcher = watcher
        if watcher is not None:
            self.engine.life = _WatchedLife(rules, lambda: self._now, watcher)

    def judge(self, until: int) -> Iterator[Episode]:
        """Judge every pane that ends by ``until`` (s), right at its end."""
        for end in range(self.engine.judged + PANE_SECONDS, until + 1, PANE_SECONDS):
            self._now = float(end)
            logged = [one.transition for one in self.engine.advance(end) if one.logged]
            if self._watcher is not None:
                self._watcher.judged(end, logged)
            for transition in logged:
                if (over := _followed(transition, self.episodes)) is not None:
                    yield over


class _WatchedLife(Life):
    def __init__(self, rules: RuleSet, clock: Callable[[], float], watcher: Watcher) -> None:
        super().__init__(rules.rules, clock)
        self._watcher = watcher

    def step(
        self,
        rule: Rule,
        end: int,
        readings: Mapping[Group, Reading],
        tenant: str | None = None,
    ) -> list[Change]:
        self._watcher.measured(rule, end, readings)
        return super().step(rule, end, readings, tenant)


def _followed(now: Transition, episodes: dict[str, Episode]) -> Episode | None:
    """Note a transition; gives the episode that it ends."""
    if now.state in ("resolved", "inactive"):
        return replace(episodes.pop(now.id), ended_at=now.pane)
    before = episodes.get(now.id)
    episodes[now.id] = Episode(
        id=now.id,
        rule=now.rule,
        severity=now.severity,
        group=now.group,
        began_at=before.began_at if before else now.pane,
        fired_at=now.pane if now.state == "firing" else None,
        ended_at=None,
        value=now.value if now.value is not None else 0.0,
        samples=now.samples,
        annotations=now.annotations,
    )
    return None
