"""What every worker measures: how far behind it is, and whether it moves."""

from __future__ import annotations

from typing import Final

from headrace.streams.worker_metrics_defs.definition import MetricDef

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
    "0: ClickHouse (of seal: the vault) is away or refuses; nothing is lost, the topic keeps it",
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
    LAG,
    BUFFERED,
    ASSIGNED,
    SINK_UP,
    STALLED,
    VERDICT_SINCE,
)
