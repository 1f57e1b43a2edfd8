"""What the making of spans measures."""

from __future__ import annotations

from typing import Final

from headrace.streams.worker_metrics_defs.definition import MetricDef

SPANS: Final = MetricDef(
    "headrace_traces_spans_total",
    "counter",
    ("kind",),
    "Spans that were written to agent.spans: turn, agent (a sub-agent), call (of a model), tool",
    "Flat while agents work: see headrace_worker_lag_records and the worker's log",
)
ABANDONED: Final = MetricDef(
    "headrace_traces_abandoned_total",
    "counter",
    ("reason",),
    "Spans among them that were closed without their end, by why: docs/traces.md",
    "silence, another_epoch: agents die in their turns; parent_end: tools or calls do not end",
)
OPEN: Final = MetricDef(
    "headrace_traces_open_turns",
    "gauge",
    ("partition",),
    "Turns that are under way",
    "Growing: agents die without a word, or hang; they are closed when silent for too long",
)
DUPLICATES: Final = MetricDef(
    "headrace_traces_duplicates_total",
    "counter",
    (),
    "Events that came again at another offset, and made no second span",
    "Grows after a crash or a restart of Kafka; all the time: a producer ships again and again",
)
REDONE: Final = MetricDef(
    "headrace_traces_redone_total",
    "counter",
    (),
    "Spans that were made again after a restart or a rebalance, found written, and left",
    "All the time: workers end again and again, read their log",
)
IGNORED: Final = MetricDef(
    "headrace_traces_ignored_total",
    "counter",
    ("reason",),
    "Events that no span could be made of; unreadable: no events; no_turn: of none that is under"
    " way, since its beginning was lost or it was closed as dead",
    "unreadable: `headrace dlq list`; no_turn, often: agents pause longer than --silence-seconds",
)
ERASED: Final = MetricDef(
    "headrace_traces_erased_total",
    "counter",
    (),
    "Spans that a standing order of `headrace forget` covers: not written",
    "Growing long after a request: the person is still being recorded under that name",
)
FORGOTTEN: Final = MetricDef(
    "headrace_traces_forgotten_epochs_total",
    "counter",
    (),
    "Epochs whose numbers are no longer remembered: what of them comes again makes spans again",
    "Growing: more sessions at a time than a partition remembers; more partitions",
)

METRICS: Final = (
    SPANS,
    ABANDONED,
    OPEN,
    DUPLICATES,
    REDONE,
    IGNORED,
    ERASED,
    FORGOTTEN,
)
