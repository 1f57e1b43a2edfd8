"""What the sealing of evidence measures."""

from __future__ import annotations

from typing import Final

from headrace.streams.worker_metrics_defs.definition import MetricDef

LEAVES: Final = MetricDef(
    "headrace_seal_leaves_total",
    "counter",
    ("partition",),
    "Leaves of evidence that were sealed",
    "Flat while the lag of agent.audit grows: see headrace_worker_sink_up and the worker's log",
)
SEGMENTS: Final = MetricDef(
    "headrace_seal_segments_total",
    "counter",
    ("partition",),
    "Segments that were sealed, each with a checkpoint",
    "Many of a few leaves are evidence that trickles in: no fault",
)
SIZE: Final = MetricDef(
    "headrace_seal_checkpoint_leaves",
    "gauge",
    ("partition",),
    "Leaves under the newest checkpoint of the partition's log",
    "It falls when a log ends and another begins: agent.events was made anew",
)
SIGNED: Final = MetricDef(
    "headrace_seal_checkpoint_seconds",
    "gauge",
    ("partition",),
    "When that checkpoint was signed, in seconds since 1970",
    "Far behind now while headrace_seal_waiting_leaves is above 0: the vault takes no segments",
)
WAITING: Final = MetricDef(
    "headrace_seal_waiting_leaves",
    "gauge",
    ("partition",),
    "Leaves that were read and are not sealed yet",
    "For more than ten seconds above 0: the vault is away or slow",
)
FENCED: Final = MetricDef(
    "headrace_seal_fenced_total",
    "counter",
    (),
    "Times that another sealer had sealed what this one was about to",
    "A few around a rebalance are well; growing: two workers have one partition, end one of them",
)
ROWS: Final = MetricDef(
    "headrace_seal_rows_total",
    "counter",
    ("outcome",),
    "Leaves that ClickHouse took (landed) or will never take (refused)",
    "Refused: versions do not fit, run `headrace schema apply`; the vault has them all the same",
)
CLASS_LEAVES: Final = MetricDef(
    "headrace_seal_class_leaves_total",
    "counter",
    ("class",),
    "Leaves that were written to the topic of a class, with HEADRACE_AUDIT_TOPIC_PER_CLASS",
    "Flat while headrace_seal_leaves_total grows: see the worker's log and `headrace topics diff`",
)
WITNESS_FAILURES: Final = MetricDef(
    "headrace_seal_witness_failures_total",
    "counter",
    ("witness",),
    "Times that a witness did not take a checkpoint, which is then told again or a newer one is",
    "Growing: see the worker's log; what no witness has seen could be taken back unnoticed",
)

METRICS: Final = (
    LEAVES,
    SEGMENTS,
    SIZE,
    SIGNED,
    WAITING,
    FENCED,
    ROWS,
    CLASS_LEAVES,
    WITNESS_FAILURES,
)
