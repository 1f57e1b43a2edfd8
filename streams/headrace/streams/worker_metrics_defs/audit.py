"""What the split of the audit trail measures."""

from __future__ import annotations

from typing import Final

from headrace.streams.worker_metrics_defs.definition import MetricDef

ENTRIES: Final = MetricDef(
    "headrace_audit_entries_total",
    "counter",
    ("class",),
    "Entries that were written to agent.audit, by class of evidence",
    "Flat while agents work: does the policy select what it should",
)
DUPLICATES: Final = MetricDef(
    "headrace_audit_duplicates_total",
    "counter",
    (),
    "Events that came again at another offset, and were not copied again",
    "Grows after a crash or a restart of Kafka; all the time: a producer ships again and again",
)
UNREADABLE: Final = MetricDef(
    "headrace_audit_unreadable_total",
    "counter",
    (),
    "Records of agent.events that are no events, and so no evidence",
    "`headrace dlq list`",
)
REJECTED: Final = MetricDef(
    "headrace_audit_rejected_total",
    "counter",
    ("reason",),
    "Events that are evidence by the policy and are in no log; too_large: sealed, they are more"
    " than a record of agent.audit may take",
    "Above 0: agent.events takes more than HEADRACE_MAX_EVENT_BYTES, or the worker has another",
)
REDONE: Final = MetricDef(
    "headrace_audit_redone_total",
    "counter",
    (),
    "Entries that were made again after a restart or a rebalance, and found as they were written",
    "All the time: workers end again and again, read their log",
)
VOID: Final = MetricDef(
    "headrace_audit_void_total",
    "counter",
    (),
    "Records of agent.audit that do not count: written by a worker that another had overtaken",
    "All the time: something else writes to agent.audit, or workers are away for too long",
)
MISSED: Final = MetricDef(
    "headrace_audit_missed_total",
    "counter",
    (),
    "Records that Kafka deleted before they were judged: evidence may be among them",
    "Above 0: `headrace worker audit` was away for longer than agent.events is kept",
)
FORGOTTEN: Final = MetricDef(
    "headrace_audit_forgotten_epochs_total",
    "counter",
    (),
    "Epochs whose numbers are no longer remembered: what of them comes again is copied again",
    "Growing: more sessions at a time than a partition remembers; more partitions",
)

METRICS: Final = (
    ENTRIES,
    DUPLICATES,
    UNREADABLE,
    REJECTED,
    REDONE,
    VOID,
    MISSED,
    FORGOTTEN,
)
