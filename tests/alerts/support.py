"""Panes as the metrics processor would have written them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from headrace.events.metrics import METRICS, PANE_SECONDS
from headrace.streams.alerts.engine import Engine
from headrace.streams.alerts.life import Change
from headrace.streams.alerts.model import RuleSet
from headrace.streams.alerts.records import PaneRecord
from headrace.streams.alerts.rules import load
from headrace.streams.alerts.transition import Transition

T0 = 1_764_000_000
"""The start of a pane, an hour and a day."""


def pane(
    metric: str,
    start: int,
    total: float,
    *,
    tenant: str = "acme",
    source: tuple[str, int, int] = ("log", 0, 1),
    offset: int = 1,
    count: int | None = None,
    buckets: tuple[int, ...] = (),
    labels: Iterable[tuple[str, str]] = (),
    **more: str,
) -> PaneRecord:
    """Make a record; labels that are not given are empty."""
    given = {**dict(labels), **more}
    assert set(given) <= set(METRICS[metric].labels)
    return PaneRecord(
        tenant=tenant,
        metric=metric,
        labels=tuple(given.get(name, "") for name in METRICS[metric].labels),
        start=start,
        source=source,
        offset=offset,
        count=count if count is not None else int(total) if not buckets else sum(buckets),
        sum=total,
        buckets=buckets,
    )


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def only(name: str) -> RuleSet:
    """One of the shipped rules."""
    shipped = load()
    rule = shipped.rule(name)
    assert rule is not None
    return RuleSet("test", (rule,))


def run(
    engine: Engine, clock: Clock, panes: Iterable[PaneRecord], until: int, *, after: float = 1.0
) -> Iterator[Change]:
    """Take each pane's records when the pane ends, judge it, and go on; ``after`` (s) its end."""
    waiting = sorted(panes, key=lambda one: one.start)
    start = (engine.judged or T0) + PANE_SECONDS
    for end in range(start, until + 1, PANE_SECONDS):
        while waiting and waiting[0].start < end:
            engine.take(waiting.pop(0))
        clock.now = end + after
        yield from engine.advance(end)


def told(changes: Iterable[Change]) -> list[tuple[str, int]]:
    """What the log says: states, and how many seconds after T0 their panes start."""
    return [
        (change.transition.state, change.transition.pane - T0)
        for change in changes
        if change.logged
    ]


def logged(changes: Iterable[Change]) -> list[Transition]:
    return [change.transition for change in changes if change.logged]
