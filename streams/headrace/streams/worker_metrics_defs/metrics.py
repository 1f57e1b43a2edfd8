"""What the metrics processor says of each partition that it counts."""

from __future__ import annotations

from typing import Final

from headrace.streams.worker_metrics_defs.definition import MetricDef

WATERMARK: Final = MetricDef(
    "headrace_metrics_watermark_seconds",
    "gauge",
    ("partition",),
    "The time up to which a partition of agent.events has been counted, in seconds since 1970",
    "Far behind now: see headrace_worker_lag_records; alerts wait for it",
)
MISSING: Final = MetricDef(
    "headrace_metrics_missing_events",
    "gauge",
    ("partition",),
    "Events that have not come although later ones of their epochs have: gaps",
    "Above 0 for long: `headrace verify` says whose they are",
)
DUPLICATES: Final = MetricDef(
    "headrace_metrics_duplicates_total",
    "counter",
    ("partition",),
    "Events that came again at another offset, and were not counted again",
    "Grows after a crash or a restart of Kafka; all the time: a producer ships again and again",
)
SKIPPED: Final = MetricDef(
    "headrace_metrics_skipped_total",
    "counter",
    ("partition",),
    "Records that are no events, which the archive sets aside, and such whose tenant, session "
    "or epoch is longer than 1,024 characters",
    "`headrace dlq list`",
)
FORGOTTEN: Final = MetricDef(
    "headrace_metrics_forgotten_epochs_total",
    "counter",
    ("partition",),
    "Epochs whose numbers are no longer remembered: what of them comes again counts again",
    "Growing: more sessions at a time than a partition remembers; more partitions",
)

METRICS: Final = (
    WATERMARK,
    MISSING,
    DUPLICATES,
    SKIPPED,
    FORGOTTEN,
)
