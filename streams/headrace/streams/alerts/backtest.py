"""Rules over the past: when each would have fired, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.engine import Engine
from headrace.streams.alerts.life import Change
from headrace.streams.alerts.measures import Absent
from headrace.streams.alerts.model import Rule, RuleSet
from headrace.streams.alerts.records import PaneRecord


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


def backtest(rules: RuleSet, panes: Iterable[PaneRecord], until: int = 0) -> Iterator[Episode]:
    """Run rules over panes in the order of their starts; gives each episode when it is over.

    Episodes that last beyond the last pane come at the end. Panes are judged up to ``until`` (s) or
    the end of the last one, without a clock: nothing is too old. Memory is bounded by the rules'
    windows, not by the length of the past.

    Raises :class:`ValueError` where a pane starts before the one before it.
    """
    time = _Time()
    engine = Engine(rules, time.now)
    episodes: dict[str, Episode] = {}
    idle = max(map(_memory, rules.rules), default=0)
    at = 0
    for pane in panes:
        if pane.start < at:
            raise ValueError(f"panes must come in order: {pane.start} after {at}")
        if pane.start > at:
            yield from _judged(engine, time, episodes, min(pane.start, at + idle) if at else 0)
            engine.judged = max(engine.judged, pane.start - idle) if at else pane.start
            yield from _judged(engine, time, episodes, pane.start if at else 0)
        at = pane.start
        engine.take(pane)
    if at:
        yield from _judged(engine, time, episodes, max(at + PANE_SECONDS, until))
    yield from sorted(episodes.values(), key=lambda one: (one.began_at, one.rule, one.id))


@dataclass(slots=True)
class _Time:
    """Right at the end of the pane that is judged."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds


def _memory(rule: Rule) -> int:
    """After how many seconds without panes, in whole ones, a rule has nothing more to say."""
    looks = rule.measure.known if isinstance(rule.measure, Absent) else rule.memory
    seconds = looks + rule.hold + rule.keep_firing_for + rule.flap.within
    return (seconds // PANE_SECONDS + 2) * PANE_SECONDS


def _judged(
    engine: Engine, time: _Time, episodes: dict[str, Episode], until: int
) -> Iterator[Episode]:
    for end in range(engine.judged + PANE_SECONDS, until + 1, PANE_SECONDS):
        time.seconds = float(end)
        for change in engine.advance(end):
            if (over := _followed(change, episodes)) is not None:
                yield over


def _followed(change: Change, episodes: dict[str, Episode]) -> Episode | None:
    """Note a change; gives the episode that it ends."""
    now = change.transition
    if not change.logged:
        return None
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
