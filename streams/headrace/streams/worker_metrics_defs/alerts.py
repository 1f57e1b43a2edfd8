"""What the alerts processor says of its alerts and of the panes that it judges."""

from __future__ import annotations

from typing import Final

from headrace.streams.worker_metrics_defs.definition import MetricDef

OPEN: Final = MetricDef(
    "headrace_alerts",
    "gauge",
    ("alertname", "alertstate", "severity", "tenant"),
    "1 for each open alert, pending or firing, with its rule's and its group's labels too",
    "See docs/alerts.md; the annotations are in agent.alerts",
)
HIDDEN: Final = MetricDef(
    "headrace_alerts_hidden",
    "gauge",
    (),
    "Open alerts beyond the first thousand, which headrace_alerts does not show",
    "Above 0: a rule groups by too much, or everything is broken; agent.alerts has them all",
)
JUDGED: Final = MetricDef(
    "headrace_alerts_judged_seconds",
    "gauge",
    ("partition",),
    "The end of the last pane that was judged and written, in seconds since 1970; 0: none yet",
    "Far behind now: is `headrace worker metrics` up, and does Kafka take what is written",
)
DROPPED: Final = MetricDef(
    "headrace_alerts_dropped_panes_total",
    "counter",
    ("partition",),
    "Series of panes that were dropped to make room, before the rules were done with them",
    "Above 0: windows are judged in part; shorten them, or drop anomalies over many series",
)
TRANSITIONS: Final = MetricDef(
    "headrace_alerts_transitions_total",
    "counter",
    ("alertname", "state"),
    "Transitions of alerts that were written, by rule and new state",
    "One rule far ahead of the others: its threshold is too near, or give it `for`",
)
LATE: Final = MetricDef(
    "headrace_alerts_late_total",
    "counter",
    (),
    "Records of panes that came after their pane was judged, which is then judged again",
    "Growing fast: agents ship late, or their clocks are behind",
)
UNREADABLE: Final = MetricDef(
    "headrace_alerts_unreadable_total",
    "counter",
    (),
    "Records of agent.metrics that are not as the metrics processor writes them, passed over",
    "Above 0: something else writes to agent.metrics, or versions do not fit",
)

METRICS: Final = (
    OPEN,
    HIDDEN,
    JUDGED,
    DROPPED,
    TRANSITIONS,
    LATE,
    UNREADABLE,
)
