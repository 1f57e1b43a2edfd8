"""Quix Streams with a tumbling window: a contender of the metrics benchmark, in its own process.

    python benchmarks/metrics_quix.py BOOTSTRAP TOPIC EVENTS DIRECTORY

As its documentation has it: a tumbling window in event time with a reducer, its own JSON
deserializer (orjson), RocksDB state, changelog and checkpoints as by default. In its favour: the
window is of a session, the record's key, so nothing is partitioned anew by tenant, and a reader has
to add sessions up; all sums are one value of its state; models of sessions in a dict that a restart
would lose. It is spared: first-chunk times, the OpenTelemetry metrics, costs, active sessions,
duplicates, publishing and showing what it counted.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

from metrics_sums import Models, Progress, Sums, add, additions
from quixstreams import Application

from headrace.events.metrics import PANE_SECONDS


def milliseconds(value: Any, _headers: Any, _timestamp: Any, _kind: Any) -> int:
    return int(value["ts"] * 1000)


def run(bootstrap: str, topic: str, events: int, directory: str) -> None:
    progress, models = Progress(events), Models()
    windows: dict[tuple[str, int], dict[str, Any]] = {}

    def counted(_topic: str, partition: int, offset: int) -> None:
        if progress.done(partition, offset):
            progress.finish(by_tenant(windows))

    def first(value: dict[str, Any]) -> dict[str, Any]:
        return reduce({"tenant": value["tenant"]}, value)

    def reduce(sums: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
        for metric, amount in additions(value, models):
            add(sums, metric, amount)
        return sums

    def keep(value: dict[str, Any], key: str, _timestamp: int, _headers: Any) -> None:
        windows[key, value["start"]] = value["value"]

    app = Application(
        broker_address=bootstrap,
        consumer_group=f"{topic}-quix",
        auto_offset_reset="earliest",
        # The embedded broker lets a group join after half of the session's timeout.
        consumer_extra_config={"session.timeout.ms": 6000, "heartbeat.interval.ms": 2000},
        state_dir=directory,
        loglevel="ERROR",
        on_message_processed=counted,
    )
    source = app.topic(topic, value_deserializer="json", timestamp_extractor=milliseconds)
    tumbling = app.dataframe(source).tumbling_window(timedelta(seconds=PANE_SECONDS))
    tumbling.reduce(reducer=reduce, initializer=first).current().update(keep, metadata=True)
    app.run()


def by_tenant(windows: dict[tuple[str, int], dict[str, Any]]) -> Sums:
    sums: Sums = {}
    for (_session, start), of_session in windows.items():
        tenant = of_session.pop("tenant")
        for metric, value in of_session.items():
            add(sums, f"{tenant}|{start // 1000}|{metric}", value)
    return sums


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
