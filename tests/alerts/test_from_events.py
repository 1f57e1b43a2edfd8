"""From the bytes of events to a firing alert, through everything that stands between but Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.engine import Engine
from headrace.streams.alerts.records import PaneRecord, decode
from headrace.streams.alerts.rules import load
from headrace.streams.metrics import prices
from headrace.streams.metrics.panes_log import record_of
from headrace.streams.metrics.partition import Partition
from tests.metrics.events import event, records

START = 1_764_000_000
MINUTES = 30

Said = Iterator[tuple[str, dict[str, Any]]]


def failing_tool(good: bool) -> Said:
    yield "tool_complete", {"tool": "run_sql", "status": "ok" if good else "error"}


def server_errors(good: bool) -> Said:
    yield "llm_call_started", {"model": "gpt-5"}
    if not good:
        yield "llm_retry", {"retry": 1, "reason": "status=503"}
    yield "llm_call_completed", {"status": "ok"}


def stuck(good: bool) -> Said:
    yield "turn_end", {"status": "ok", "incomplete_reason": None if good else "max_iterations"}


def cold_cache(good: bool) -> Said:
    tokens = {"prompt_tokens": 1000, "cache_read_tokens": 900 if good else 100}
    yield "llm_call_completed", {"status": "ok"} | tokens


def unanswered(good: bool) -> Said:
    yield "tool_confirmation", {"tool": "refund"}
    yield "confirmation_resolved", {"tool": "refund", "outcome": "allow" if good else "timeout"}


def story(say: Any) -> Iterator[bytes]:
    """Half an hour: good, then bad for a quarter of an hour, then good again."""
    seq = 0
    for second in range(MINUTES * 60):
        bad = 600 <= second < 1500
        for kind, data in say(not bad):
            seq += 1
            yield event(seq, kind, data, ts=START + second)


@pytest.mark.parametrize(
    ("say", "rule"),
    [
        (failing_tool, "ToolFailureRate"),
        (server_errors, "LlmServerErrorRate"),
        (stuck, "MaxIterationsRate"),
        (cold_cache, "CacheHitRate"),
        (unanswered, "ConfirmTimeoutRate"),
    ],
)
def test_each_of_the_five_fires_and_resolves(say: Any, rule: str) -> None:
    partition = Partition(prices.load())
    partition.take(records(story(say)))
    now = [float(START)]
    engine = Engine(load(), clock=lambda: now[0])
    panes: dict[int, list[PaneRecord]] = {}
    for told in partition.tell():
        pane = decode(record_of(told, "log", 3)[1])
        assert isinstance(pane, PaneRecord)
        panes.setdefault(pane.start, []).append(pane)
    seen = []
    for end in range(START + PANE_SECONDS, START + (MINUTES + 30) * 60, PANE_SECONDS):
        for pane in panes.get(end - PANE_SECONDS, []):
            engine.take(pane)
        now[0] = float(end)
        seen += [one.transition for one in engine.advance(end) if one.logged]
    states = [(one.rule, one.state) for one in seen]
    assert states == [(rule, "pending"), (rule, "firing"), (rule, "resolved")]
    firing = seen[1]
    assert firing.tenant == "acme"
    assert START + 600 < firing.at < START + 1500
