"""What the archive measures: what lands in ClickHouse, and what scrubbing costs."""

from __future__ import annotations

from typing import Final

from headrace.streams.worker_metrics_defs.definition import MetricDef

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
ERASED: Final = MetricDef(
    "headrace_archive_erased_total",
    "counter",
    ("topic",),
    "Records that a standing order of `headrace forget` covers: not archived, but counted",
    "Growing long after a request: the person is still being recorded under that name",
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
    "From an event (a pane, a transition: when it was told) until SELECT finds it, once an insert"
    " by the oldest of what its fetches begin with; the agent's clock counts",
    "Above a second while headrace_worker_lag_records is small: ClickHouse is slow, see"
    " headrace_archive_insert_seconds; with lag: it shows how far behind the archive is",
    (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 10_800.0, 86_400.0),
)
SCRUBBED: Final = MetricDef(
    "headrace_scrubbed_total",
    "counter",
    ("rule",),
    "Secrets that were rewritten before the archive, those of events sent twice counted twice",
    "A rule that never counts finds nothing: try it with `headrace scrub test`",
)
SCRUB_REWRITTEN: Final = MetricDef(
    "headrace_scrub_rewritten_total",
    "counter",
    (),
    "Events of which something was rewritten",
    "Near the rate of all events: a rule finds too much, see headrace_scrubbed_total",
)
SCRUB_KEPT: Final = MetricDef(
    "headrace_scrub_kept_total",
    "counter",
    ("rule", "field"),
    "Finds in tenant, session, epoch or type, which are never rewritten",
    "Above 0: agents put what the rule is about into the field; give them other ids",
)
SCRUB_WITHHELD: Final = MetricDef(
    "headrace_scrub_withheld_total",
    "counter",
    ("reason",),
    "Records that could not be scrubbed and were dead-lettered without their content: unreadable"
    " (not JSON), or failed (the scrubber did)",
    "unreadable: mend the producer, see `headrace dlq list`; failed: a fault of headrace",
)
SCRUB_SECONDS: Final = MetricDef(
    "headrace_scrub_seconds",
    "histogram",
    (),
    "Time of scrubbing one batch of the archive",
    "Near headrace_archive_insert_seconds: scrubbing bounds the archive; give patterns `hints`",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)

METRICS: Final = (
    ROWS,
    BATCHES,
    BYTES,
    DEAD_LETTERS,
    ERASED,
    RETRIES,
    INSERT_SECONDS,
    FRESHNESS,
    SCRUBBED,
    SCRUB_REWRITTEN,
    SCRUB_KEPT,
    SCRUB_WITHHELD,
    SCRUB_SECONDS,
)
