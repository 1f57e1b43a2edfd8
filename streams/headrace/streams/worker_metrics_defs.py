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
NOTIFICATIONS: Final = MetricDef(
    "headrace_notifications_total",
    "counter",
    ("receiver", "outcome"),
    "Deliveries to a receiver, by what a try made of them: delivered, retried or parked",
    "retried grows: the receiver is slow or away; parked: `headrace alerts deliveries` says why",
)
NOTIFY_WAITING: Final = MetricDef(
    "headrace_notify_waiting",
    "gauge",
    ("receiver",),
    "Deliveries that wait for a receiver, the one being tried included",
    "Growing: the receiver is slow or away; at 1000 what comes is parked",
)
NOTIFY_PARKED: Final = MetricDef(
    "headrace_notify_parked",
    "gauge",
    (),
    "Deliveries that wait for a person",
    "Above 0: `headrace alerts deliveries` says why, `headrace alerts redeliver` sends one again",
)
NOTIFY_DISABLED: Final = MetricDef(
    "headrace_notify_disabled",
    "gauge",
    ("receiver",),
    "1 where a receiver answered 410 Gone and is told nothing any more",
    "1: mend the receiver, then redeliver what is parked or restart the worker",
)
NOTIFY_UNKNOWN: Final = MetricDef(
    "headrace_notify_unknown_receiver_total",
    "counter",
    (),
    "Times that an alert named a receiver that the rules file does not have: nobody was told",
    "Growing: add the [[receiver]] to HEADRACE_ALERT_RULES and start the worker again",
)
NOTIFY_SECONDS: Final = MetricDef(
    "headrace_notify_seconds",
    "histogram",
    (),
    "Time from the judgement of an alert to its delivery, repeats and restarts left out",
    "Above 2 s: a receiver is slow, or grouping waits as the rules file says",
    (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0),
)
SILENCES_ACTIVE: Final = MetricDef(
    "headrace_silences_active",
    "gauge",
    (),
    "Silences in force",
    "Above 0 for long: `headrace silence list` says whose, and until when",
)

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
ALERTS: Final = MetricDef(
    "headrace_alerts",
    "gauge",
    ("alertname", "alertstate", "severity", "tenant"),
    "1 for each open alert, pending or firing, with its rule's and its group's labels too",
    "See docs/alerts.md; the annotations are in agent.alerts",
)
ALERTS_HIDDEN: Final = MetricDef(
    "headrace_alerts_hidden",
    "gauge",
    (),
    "Open alerts beyond the first thousand, which headrace_alerts does not show",
    "Above 0: a rule groups by too much, or everything is broken; agent.alerts has them all",
)
ALERTS_JUDGED: Final = MetricDef(
    "headrace_alerts_judged_seconds",
    "gauge",
    ("partition",),
    "The end of the last pane that was judged and written, in seconds since 1970; 0: none yet",
    "Far behind now: is `headrace worker metrics` up, and does Kafka take what is written",
)
ALERTS_DROPPED: Final = MetricDef(
    "headrace_alerts_dropped_panes_total",
    "counter",
    ("partition",),
    "Series of panes that were dropped to make room, before the rules were done with them",
    "Above 0: windows are judged in part; shorten them, or drop anomalies over many series",
)
ALERTS_TRANSITIONS: Final = MetricDef(
    "headrace_alerts_transitions_total",
    "counter",
    ("alertname", "state"),
    "Transitions of alerts that were written, by rule and new state",
    "One rule far ahead of the others: its threshold is too near, or give it `for`",
)
ALERTS_LATE: Final = MetricDef(
    "headrace_alerts_late_total",
    "counter",
    (),
    "Records of panes that came after their pane was judged, which is then judged again",
    "Growing fast: agents ship late, or their clocks are behind",
)
ALERTS_UNREADABLE: Final = MetricDef(
    "headrace_alerts_unreadable_total",
    "counter",
    (),
    "Records of agent.metrics that are not as the metrics processor writes them, passed over",
    "Above 0: something else writes to agent.metrics, or versions do not fit",
)
AUDIT_ENTRIES: Final = MetricDef(
    "headrace_audit_entries_total",
    "counter",
    ("class",),
    "Entries that were written to agent.audit, by class of evidence",
    "Flat while agents work: does the policy select what it should",
)
AUDIT_DUPLICATES: Final = MetricDef(
    "headrace_audit_duplicates_total",
    "counter",
    (),
    "Events that came again at another offset, and were not copied again",
    "Grows after a crash or a restart of Kafka; all the time: a producer ships again and again",
)
AUDIT_UNREADABLE: Final = MetricDef(
    "headrace_audit_unreadable_total",
    "counter",
    (),
    "Records of agent.events that are no events, and so no evidence",
    "`headrace dlq list`",
)
AUDIT_REJECTED: Final = MetricDef(
    "headrace_audit_rejected_total",
    "counter",
    ("reason",),
    "Events that are evidence by the policy and are in no log; too_large: sealed, they are more"
    " than a record of agent.audit may take",
    "Above 0: agent.events takes more than HEADRACE_MAX_EVENT_BYTES, or the worker has another",
)
AUDIT_REDONE: Final = MetricDef(
    "headrace_audit_redone_total",
    "counter",
    (),
    "Entries that were made again after a restart or a rebalance, and found as they were written",
    "All the time: workers end again and again, read their log",
)
AUDIT_VOID: Final = MetricDef(
    "headrace_audit_void_total",
    "counter",
    (),
    "Records of agent.audit that do not count: written by a worker that another had overtaken",
    "All the time: something else writes to agent.audit, or workers are away for too long",
)
AUDIT_MISSED: Final = MetricDef(
    "headrace_audit_missed_total",
    "counter",
    (),
    "Records that Kafka deleted before they were judged: evidence may be among them",
    "Above 0: `headrace worker audit` was away for longer than agent.events is kept",
)
AUDIT_FORGOTTEN: Final = MetricDef(
    "headrace_audit_forgotten_epochs_total",
    "counter",
    (),
    "Epochs whose numbers are no longer remembered: what of them comes again is copied again",
    "Growing: more sessions at a time than a partition remembers; more partitions",
)

TRACES_SPANS: Final = MetricDef(
    "headrace_traces_spans_total",
    "counter",
    ("kind",),
    "Spans that were written to agent.spans: turn, agent (a sub-agent), call (of a model), tool",
    "Flat while agents work: see headrace_worker_lag_records and the worker's log",
)
TRACES_ABANDONED: Final = MetricDef(
    "headrace_traces_abandoned_total",
    "counter",
    ("reason",),
    "Spans among them that were closed without their end, by why: docs/traces.md",
    "silence, another_epoch: agents die in their turns; parent_end: tools or calls do not end",
)
TRACES_OPEN: Final = MetricDef(
    "headrace_traces_open_turns",
    "gauge",
    ("partition",),
    "Turns that are under way",
    "Growing: agents die without a word, or hang; they are closed when silent for too long",
)
TRACES_DUPLICATES: Final = MetricDef(
    "headrace_traces_duplicates_total",
    "counter",
    (),
    "Events that came again at another offset, and made no second span",
    "Grows after a crash or a restart of Kafka; all the time: a producer ships again and again",
)
TRACES_REDONE: Final = MetricDef(
    "headrace_traces_redone_total",
    "counter",
    (),
    "Spans that were made again after a restart or a rebalance, found written, and left",
    "All the time: workers end again and again, read their log",
)
TRACES_IGNORED: Final = MetricDef(
    "headrace_traces_ignored_total",
    "counter",
    ("reason",),
    "Events that no span could be made of; unreadable: no events; no_turn: of none that is under"
    " way, since its beginning was lost or it was closed as dead",
    "unreadable: `headrace dlq list`; no_turn, often: agents pause longer than --silence-seconds",
)
TRACES_ERASED: Final = MetricDef(
    "headrace_traces_erased_total",
    "counter",
    (),
    "Spans that a standing order of `headrace forget` covers: not written",
    "Growing long after a request: the person is still being recorded under that name",
)
TRACES_FORGOTTEN: Final = MetricDef(
    "headrace_traces_forgotten_epochs_total",
    "counter",
    (),
    "Epochs whose numbers are no longer remembered: what of them comes again makes spans again",
    "Growing: more sessions at a time than a partition remembers; more partitions",
)

SEAL_LEAVES: Final = MetricDef(
    "headrace_seal_leaves_total",
    "counter",
    ("partition",),
    "Leaves of evidence that were sealed",
    "Flat while the lag of agent.audit grows: see headrace_worker_sink_up and the worker's log",
)
SEAL_SEGMENTS: Final = MetricDef(
    "headrace_seal_segments_total",
    "counter",
    ("partition",),
    "Segments that were sealed, each with a checkpoint",
    "Many of a few leaves are evidence that trickles in: no fault",
)
SEAL_SIZE: Final = MetricDef(
    "headrace_seal_checkpoint_leaves",
    "gauge",
    ("partition",),
    "Leaves under the newest checkpoint of the partition's log",
    "It falls when a log ends and another begins: agent.events was made anew",
)
SEAL_SIGNED: Final = MetricDef(
    "headrace_seal_checkpoint_seconds",
    "gauge",
    ("partition",),
    "When that checkpoint was signed, in seconds since 1970",
    "Far behind now while headrace_seal_waiting_leaves is above 0: the vault takes no segments",
)
SEAL_WAITING: Final = MetricDef(
    "headrace_seal_waiting_leaves",
    "gauge",
    ("partition",),
    "Leaves that were read and are not sealed yet",
    "For more than ten seconds above 0: the vault is away or slow",
)
SEAL_FENCED: Final = MetricDef(
    "headrace_seal_fenced_total",
    "counter",
    (),
    "Times that another sealer had sealed what this one was about to",
    "A few around a rebalance are well; growing: two workers have one partition, end one of them",
)
SEAL_ROWS: Final = MetricDef(
    "headrace_seal_rows_total",
    "counter",
    ("outcome",),
    "Leaves that ClickHouse took (landed) or will never take (refused)",
    "Refused: versions do not fit, run `headrace schema apply`; the vault has them all the same",
)
SEAL_CLASS_LEAVES: Final = MetricDef(
    "headrace_seal_class_leaves_total",
    "counter",
    ("class",),
    "Leaves that were written to the topic of a class, with HEADRACE_AUDIT_TOPIC_PER_CLASS",
    "Flat while headrace_seal_leaves_total grows: see the worker's log and `headrace topics diff`",
)
SEAL_WITNESS_FAILURES: Final = MetricDef(
    "headrace_seal_witness_failures_total",
    "counter",
    ("witness",),
    "Times that a witness did not take a checkpoint, which is then told again or a newer one is",
    "Growing: see the worker's log; what no witness has seen could be taken back unnoticed",
)
OTLP_SPANS: Final = MetricDef(
    "headrace_otlp_spans_total",
    "counter",
    (),
    "Spans that the OTLP receiver took",
    "Flat while lag grows: look at headrace_otlp_retries_total, then at the worker's log",
)
OTLP_RETRIES: Final = MetricDef(
    "headrace_otlp_retries_total",
    "counter",
    ("status",),
    "Requests that the receiver did not take, by HTTP's or gRPC's status (none: no answer)",
    "none, 503, UNAVAILABLE: it is away; 401, 403, UNAUTHENTICATED: correct HEADRACE_OTLP_HEADERS;"
    " 404, UNIMPLEMENTED: correct HEADRACE_OTLP_ENDPOINT or HEADRACE_OTLP_PROTOCOL",
)
OTLP_REJECTED: Final = MetricDef(
    "headrace_otlp_rejected_total",
    "counter",
    (),
    "Spans of requests that the receiver took in part, which by the protocol are not sent again",
    "Above 0: the worker's log has the receiver's reason",
)
OTLP_DEAD_LETTERS: Final = MetricDef(
    "headrace_otlp_dead_letters_total",
    "counter",
    (),
    "Spans that the receiver will never take, set aside in agent.events.dlq",
    "`headrace dlq list`; once the receiver is mended, `headrace dlq redrive`",
)
OTLP_REPEATED: Final = MetricDef(
    "headrace_otlp_repeated_total",
    "counter",
    (),
    "Records that the receiver had taken just before, and that were not sent again",
    "A few after a crash of the worker traces are well",
)
OTLP_FORGOTTEN: Final = MetricDef(
    "headrace_otlp_forgotten_total",
    "counter",
    (),
    "Spans that a standing order of `headrace forget` covers: not sent",
    "Growing long after a request: the person is still being recorded under that name",
)
OTLP_SECONDS: Final = MetricDef(
    "headrace_otlp_seconds",
    "histogram",
    (),
    "Time of one request, whatever its answer",
    "Near 30: the receiver hangs, and requests are given up and sent again",
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
    LAG,
    BUFFERED,
    ASSIGNED,
    SINK_UP,
    STALLED,
    VERDICT_SINCE,
    WATERMARK,
    MISSING,
    DUPLICATES,
    SKIPPED,
    FORGOTTEN,
    ALERTS,
    ALERTS_HIDDEN,
    ALERTS_JUDGED,
    ALERTS_DROPPED,
    ALERTS_TRANSITIONS,
    ALERTS_LATE,
    ALERTS_UNREADABLE,
    AUDIT_ENTRIES,
    AUDIT_DUPLICATES,
    AUDIT_UNREADABLE,
    AUDIT_REJECTED,
    AUDIT_REDONE,
    AUDIT_VOID,
    AUDIT_MISSED,
    AUDIT_FORGOTTEN,
    TRACES_SPANS,
    TRACES_ABANDONED,
    TRACES_OPEN,
    TRACES_DUPLICATES,
    TRACES_REDONE,
    TRACES_IGNORED,
    TRACES_ERASED,
    TRACES_FORGOTTEN,
    NOTIFICATIONS,
    NOTIFY_WAITING,
    NOTIFY_PARKED,
    NOTIFY_DISABLED,
    NOTIFY_UNKNOWN,
    NOTIFY_SECONDS,
    SILENCES_ACTIVE,
    SEAL_LEAVES,
    SEAL_SEGMENTS,
    SEAL_SIZE,
    SEAL_SIGNED,
    SEAL_WAITING,
    SEAL_FENCED,
    SEAL_ROWS,
    SEAL_CLASS_LEAVES,
    SEAL_WITNESS_FAILURES,
    OTLP_SPANS,
    OTLP_RETRIES,
    OTLP_REJECTED,
    OTLP_DEAD_LETTERS,
    OTLP_REPEATED,
    OTLP_FORGOTTEN,
    OTLP_SECONDS,
)
