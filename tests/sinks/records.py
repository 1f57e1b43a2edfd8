"""Values of agent.metrics and of agent.alerts.log, as their workers write them."""

from __future__ import annotations

import time
from typing import Any

from headrace.streams.alerts.transition import Transition
from headrace.streams.metrics.pane import PaneKey
from headrace.streams.metrics.panes_log import record_of
from headrace.streams.metrics.partition import Told
from tests.support import unique

HOUR = int(time.time()) // 3600 * 3600 - 3600
"""Panes are kept for 400 days: they must be of now."""


def pane(
    tenant: str,
    metric: str = "agent.tool.calls",
    labels: tuple[str, ...] = ("read", "ok"),
    total: float = 1.0,
    buckets: tuple[int, ...] = (),
    *,
    start: int = HOUR,
    partition: int = 0,
    generation: int = 0,
    offset: int = 1,
    log: str = "cluster/topic",
) -> bytes:
    """A record as the metrics' worker writes it. Its count is its sum, rounded."""
    key = PaneKey(tenant, start, generation)
    told = Told(key, metric, labels, round(total), total, buckets, offset)
    return record_of(told, log, partition)[1]


def a_transition(tenant: str, **changes: Any) -> Transition:
    made: dict[str, Any] = {
        "id": unique(),
        "rule": "tool failures \u00e9",
        "state": "firing",
        "previous": "pending",
        "severity": "page",
        "tenant": tenant,
        "group": {"tenant": tenant, "tool": ""},
        "labels": {"alertname": "tool failures", "severity": "page"},
        "annotations": {"summary": "3 of 4\nfailed"},
        "value": 0.75,
        "samples": 4.0,
        "threshold": 0.1,
        "comparison": "above",
        "pane": HOUR,
        "starts_at": HOUR + 0.25,
        "ends_at": None,
        "at": HOUR + 12.345,
        "receivers": ("ops", "desk"),
        "seq": 2,
        "judged": HOUR,
        "fires": (HOUR,),
    }
    return Transition(**made | changes)
