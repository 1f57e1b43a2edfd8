"""Every metric of the workers: name, kind, labels, and what an operator does about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class MetricDef:
    """One metric. The documentation's table is generated from :data:`METRICS`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    action: str
    """What an operator does when it looks wrong."""
    buckets: tuple[float, ...] = ()


ROWS: Final = MetricDef(
    "headrace_archive_rows_total",
    "counter",
    ("topic",),
    "Records that landed in ClickHouse, those sent twice counted twice",
    "Flat while lag grows: look at headrace_archive_retries_total, then at the worker's log",
)
BATCHES: Final = MetricDef(
    "headrace_archive_batches_total",
    "counter",
    ("topic",),
    "Inserts that landed",
    "Many more than ten a second: too few records an insert, raise the linger",
)
BYTES: Final = MetricDef(
    "headrace_archive_bytes_total",
    "counter",
    ("topic",),
    "Bytes of the values that landed",
    "For capacity: compare with the retention of the topic",
)
DEAD_LETTERS: Final = MetricDef(
    "headrace_archive_dead_letters_total",
    "counter",
    ("topic", "reason"),
    "Records that ClickHouse will never accept, set aside in agent.events.dlq",
    "`headrace dlq list`, mend the producer, then `headrace dlq redrive`",
)
RETRIES: Final = MetricDef(
    "headrace_archive_retries_total",
    "counter",
    ("topic", "code"),
    "Inserts that failed for a reason that may pass, by ClickHouse's code (none: no answer)",
    "Look the code up: 60 wants `headrace schema apply`, 241 memory, 252 fewer and bigger inserts",
)
INSERT_SECONDS: Final = MetricDef(
    "headrace_archive_insert_seconds",
    "histogram",
    ("topic",),
    "Time of one write, with the search for refused records",
    "Above a second: ClickHouse is busy with merges or its disk is slow",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
FRESHNESS: Final = MetricDef(
    "headrace_archive_freshness_seconds",
    "histogram",
    ("topic",),
    "From a record's timestamp in Kafka (an event's: when its hook shipped it; a pane's or a"
    " transition's: when it was told) until SELECT finds it, once an insert by its oldest record",
    "Above a second while headrace_worker_lag_records is small: ClickHouse is slow, see"
    " headrace_archive_insert_seconds; with lag: it shows how far behind the archive is",
    (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 10_800.0, 86_400.0),
)
LAG: Final = MetricDef(
    "headrace_worker_lag_records",
    "gauge",
    ("processor", "topic", "partition"),
    "Records between the committed offset and the end of the partition",
    "Growing: add a worker (up to one a partition), or see why the sink is slow",
)
BUFFERED: Final = MetricDef(
    "headrace_worker_buffered_bytes",
    "gauge",
    ("processor",),
    "Bytes read from Kafka and not yet acknowledged",
    "At its limit for long: the sink is slower than the stream",
)
ASSIGNED: Final = MetricDef(
    "headrace_worker_assigned_partitions",
    "gauge",
    ("processor",),
    "Partitions that this worker reads",
    "0 for long: more workers than partitions, or the group cannot be joined",
)
SINK_UP: Final = MetricDef(
    "headrace_worker_sink_up",
    "gauge",
    ("processor",),
    "1 while writes land, 0 while the worker is retrying",
    "0: ClickHouse is away or refuses; nothing is lost, the topic keeps what is not archived",
)
STALLED: Final = MetricDef(
    "headrace_worker_stalled_seconds",
    "gauge",
    ("processor",),
    "How long a partition has had lag and has not moved although nothing excuses it; 0: fine",
    "Above 0: the watchdog restarts the worker at --stall-seconds; often: read its log",
)
VERDICT_SINCE: Final = MetricDef(
    "headrace_worker_watchdog_since_seconds",
    "gauge",
    ("processor",),
    "Since when the watchdog says what it says (stalled or fine), in seconds since 1970",
    "0: it has not looked yet; `headrace status` shows it",
)

METRICS: Final = (
    ROWS,
    BATCHES,
    BYTES,
    DEAD_LETTERS,
    RETRIES,
    INSERT_SECONDS,
    FRESHNESS,
    LAG,
    BUFFERED,
    ASSIGNED,
    SINK_UP,
    STALLED,
    VERDICT_SINCE,
)
