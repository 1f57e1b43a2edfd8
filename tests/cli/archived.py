"""Panes and transitions, put into the archive as its worker does."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from headrace.events.metrics import METRICS, PANE_SECONDS
from headrace.sinks.connection import connect
from headrace.streams.alerts.records import PaneRecord
from headrace.streams.alerts.transition import Transition
from tests.cli.conftest import Stack


def insert_panes(stack: Stack, panes: Iterable[PaneRecord]) -> None:
    """Each pane as its source tells it."""
    _insert(stack, "metric_panes_raw", map(_line, panes))


def insert_transitions(stack: Stack, transitions: Iterable[Transition]) -> None:
    _insert(stack, "alert_transitions_raw", (one.encode() for one in transitions))


def _insert(stack: Stack, table: str, lines: Iterable[bytes]) -> None:
    client = connect(stack.writer)
    client.raw_insert(f"headrace.{table}", insert_block=b"\n".join(lines), fmt="JSONEachRow")
    client.close()


def _line(pane: PaneRecord) -> bytes:
    log, partition, generation = pane.source
    names = METRICS[pane.metric].labels
    return orjson.dumps(
        {
            "tenant": pane.tenant,
            "metric": pane.metric,
            "labels": dict(zip(names, pane.labels, strict=True)),
            "start": pane.start,
            "seconds": PANE_SECONDS,
            "log": log,
            "partition": partition,
            "generation": generation,
            "count": pane.count,
            "sum": pane.sum,
            "buckets": pane.buckets,
            "offset": pane.offset,
        }
    )
