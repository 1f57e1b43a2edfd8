"""Half an hour in which each of the five shipped rules fires and resolves, once.

Panes are good, then bad, then good again. In the pane before each one begins to be met, its value
is exactly at the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.records import PaneRecord
from tests.alerts.support import T0, pane


@dataclass(frozen=True)
class Series:
    metric: str
    good: float
    """What each good pane counts."""
    bad: float
    labels: tuple[tuple[str, str], ...] = ()

    def total(self, case: Case, pane: int) -> float:
        """What a pane counts."""
        return self.bad if case.good <= pane < case.good + case.bad else self.good


@dataclass(frozen=True)
class Case:
    rule: str
    series: tuple[Series, ...]
    good: int
    """Panes before the bad ones."""
    bad: int
    until: int
    """Seconds after T0."""
    transitions: list[tuple[str, int]]
    """States, and how many seconds after T0 their panes start."""
    value: float
    """When it fires."""
    samples: float
    summary: str

    def panes(self, scale: float = 1.0) -> list[PaneRecord]:
        return [
            pane(
                one.metric,
                T0 + PANE_SECONDS * number,
                one.total(self, number) * scale,
                labels=one.labels,
            )
            for number in range(self.until // PANE_SECONDS)
            for one in self.series
            if one.total(self, number)
        ]


TOOL = ("tool", "run_sql")
MODEL = ("model", "m-1")

FIVE: Final = (
    Case(
        rule="ToolFailureRate",
        series=(
            Series("agent.tool.calls", 10, 8, (TOOL, ("status", "ok"))),
            Series("agent.tool.calls", 0, 2, (TOOL, ("status", "error"))),
            Series("agent.tool.failures", 0, 2, (TOOL,)),
            Series("agent.tool.calls", 5, 5, (("tool", "read_file"), ("status", "ok"))),
        ),
        good=30,
        bad=40,
        until=1000,
        transitions=[("pending", 450), ("firing", 480), ("resolved", 900)],
        value=38 / 300,
        samples=300,
        summary="acme: run_sql fails in 12.67% of its calls",
    ),
    Case(
        rule="LlmServerErrorRate",
        series=(
            Series("agent.llm.requests", 10, 10, (MODEL,)),
            Series("agent.llm.errors", 0, 1, (MODEL, ("error_type", "http_503"), ("class", "5xx"))),
            Series("agent.llm.errors", 3, 3, (MODEL, ("error_type", "http_429"), ("class", "4xx"))),
        ),
        good=30,
        bad=40,
        until=1100,
        transitions=[("pending", 360), ("firing", 390), ("resolved", 990)],
        value=10 / 300,
        samples=300,
        summary="acme: 3.333% of the requests to models end in a server error",
    ),
    Case(
        rule="MaxIterationsRate",
        series=(
            Series("agent.turn.count", 2, 1, (("status", "ok"),)),
            Series("agent.turn.count", 0, 1, (("status", "incomplete"),)),
            Series("agent.max_iterations.hits", 0, 1),
        ),
        good=90,
        bad=40,
        until=2400,
        transitions=[("pending", 990), ("firing", 1020), ("resolved", 2220)],
        value=13 / 180,
        samples=180,
        summary="acme: 7.222% of the turns run out of iterations",
    ),
    Case(
        rule="CacheHitRate",
        series=(
            Series("agent.llm.tokens.prompt", 1000, 1000, (MODEL,)),
            Series("agent.llm.tokens.cached", 600, 100, (MODEL,)),
            Series("agent.llm.calls", 2, 2, (MODEL, ("status", "ok"))),
        ),
        good=90,
        bad=80,
        until=2300,
        transitions=[("pending", 1440), ("firing", 1500), ("resolved", 2170)],
        value=23_500 / 90_000,
        samples=180,
        summary="acme: only 26.11% of the prompt tokens come from the cache",
    ),
    Case(
        rule="ConfirmTimeoutRate",
        series=(
            Series("agent.confirm.requests", 1, 1, (("outcome", "request"),)),
            Series("agent.confirm.requests", 1, 0, (("outcome", "allow"),)),
            Series("agent.confirm.requests", 0, 1, (("outcome", "timeout"),)),
        ),
        good=90,
        bad=20,
        until=2200,
        transitions=[("pending", 990), ("firing", 1020), ("resolved", 2020)],
        value=13 / 90,
        samples=90,
        summary="acme: 14.44% of the confirmations time out",
    ),
)
