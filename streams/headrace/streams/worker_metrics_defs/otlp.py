"""What the export of spans measures."""

from __future__ import annotations

from typing import Final

from headrace.streams.worker_metrics_defs.definition import MetricDef

SPANS: Final = MetricDef(
    "headrace_otlp_spans_total",
    "counter",
    (),
    "Spans that the OTLP receiver took",
    "Flat while lag grows: look at headrace_otlp_retries_total, then at the worker's log",
)
RETRIES: Final = MetricDef(
    "headrace_otlp_retries_total",
    "counter",
    ("status",),
    "Requests that the receiver did not take, by HTTP's or gRPC's status (none: no answer)",
    "none, 503, UNAVAILABLE: it is away; 401, 403, UNAUTHENTICATED: correct HEADRACE_OTLP_HEADERS;"
    " 404, UNIMPLEMENTED: correct HEADRACE_OTLP_ENDPOINT or HEADRACE_OTLP_PROTOCOL",
)
REJECTED: Final = MetricDef(
    "headrace_otlp_rejected_total",
    "counter",
    (),
    "Spans of requests that the receiver took in part, which by the protocol are not sent again",
    "Above 0: the worker's log has the receiver's reason",
)
DEAD_LETTERS: Final = MetricDef(
    "headrace_otlp_dead_letters_total",
    "counter",
    (),
    "Spans that the receiver will never take, set aside in agent.events.dlq",
    "`headrace dlq list`; once the receiver is mended, `headrace dlq redrive`",
)
REPEATED: Final = MetricDef(
    "headrace_otlp_repeated_total",
    "counter",
    (),
    "Records that the receiver had taken just before, and that were not sent again",
    "A few after a crash of the worker traces are well",
)
FORGOTTEN: Final = MetricDef(
    "headrace_otlp_forgotten_total",
    "counter",
    (),
    "Spans that a standing order of `headrace forget` covers: not sent",
    "Growing long after a request: the person is still being recorded under that name",
)
SECONDS: Final = MetricDef(
    "headrace_otlp_seconds",
    "histogram",
    (),
    "Time of one request, whatever its answer",
    "Near 30: the receiver hangs, and requests are given up and sent again",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)

METRICS: Final = (
    SPANS,
    RETRIES,
    REJECTED,
    DEAD_LETTERS,
    REPEATED,
    FORGOTTEN,
    SECONDS,
)
