"""Plain Faust with tumbling tables: a contender of the metrics benchmark, in its own process.

    python benchmarks/metrics_faust.py BOOTSTRAP TOPIC EVENTS DIRECTORY

As its documentation has it: an agent, tables of ten seconds relative to a field of the event, its
own JSON serializer (orjson) and transport, changelogs as by default. In its favour: tables in
memory; as few writes an event as can be (tokens and durations are one value each); changelogs sent
in larger batches and with fewer acknowledgements than by default, which makes it 1.7 times as fast;
models of sessions in a dict that a restart would lose. It is spared: first-chunk times, the
OpenTelemetry metrics, costs, active sessions, duplicates, publishing and showing what it counted.
"""

from __future__ import annotations

import sys
from typing import Any

import faust
from metrics_sums import Models, Progress, Sums, added, additions

from headrace.events.metrics import PANE_SECONDS

KEPT_S = 3600.0
"""Nothing expires while it is measured: expiry would cost more."""


def make(bootstrap: str, topic: str, events: int, directory: str) -> faust.App:
    app = faust.App(
        f"{topic}-faust",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=directory,
        topic_partitions=4,
        topic_replication_factor=1,
        topic_disable_leader=True,
        web_enabled=False,
        broker_session_timeout=6,  # the embedded broker lets a group join after half of it
        broker_heartbeat_interval=2,
        producer_linger=0.05,
        producer_max_batch_size=256 * 1024,
        producer_acks=1,
        stream_wait_empty=False,
    )

    def table(name: str, default: Any) -> Any:
        tumbling: Any = app.Table(name, default=default).tumbling(PANE_SECONDS, expires=KEPT_S)
        return tumbling.relative_to(lambda event: event.value["ts"])

    counts, several = table("counts", int), table("several", lambda: None)
    progress, models = Progress(events), Models()

    @app.agent(app.topic(topic, value_serializer="json"))
    async def count(stream: Any) -> None:
        async for event in stream.events():
            value = event.value
            tenant = value["tenant"]
            for metric, amount in additions(value, models):
                if metric.startswith(("turn_ms", "tool_ms", "tokens")):
                    several[f"{tenant}|{metric}"].apply(added, amount)
                else:
                    counts[f"{tenant}|{metric}"] += amount
            if progress.done(event.message.partition, event.message.offset):
                progress.finish(read(counts) | read(several))

    return app


def read(table: Any) -> Sums:
    sums = {}
    for (key, (start, _end)), value in table.table.data.items():
        tenant, metric = key.split("|", 1)
        sums[f"{tenant}|{int(start)}|{metric}"] = value
    return sums


if __name__ == "__main__":
    app = make(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()
