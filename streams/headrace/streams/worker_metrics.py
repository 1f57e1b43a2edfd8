"""The metrics of one worker process, in a registry of their own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from headrace.streams import worker_metrics_defs as defs
from headrace.streams.worker_metrics_defs import MetricDef


class Metrics:
    """Made from :data:`headrace.streams.worker_metrics_defs.METRICS`. Safe from any thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.rows = self._counter(defs.ROWS)
        self.batches = self._counter(defs.BATCHES)
        self.bytes = self._counter(defs.BYTES)
        self.dead_letters = self._counter(defs.DEAD_LETTERS)
        self.erased = self._counter(defs.ERASED)
        self.retries = self._counter(defs.RETRIES)
        self.insert_seconds = self._histogram(defs.INSERT_SECONDS)
        self.freshness = self._histogram(defs.FRESHNESS)
        self.scrubbed = self._counter(defs.SCRUBBED)
        self.scrub_rewritten = self._counter(defs.SCRUB_REWRITTEN)
        self.scrub_kept = self._counter(defs.SCRUB_KEPT)
        self.scrub_withheld = self._counter(defs.SCRUB_WITHHELD)
        self.scrub_seconds = self._histogram(defs.SCRUB_SECONDS)
        self.lag = self._gauge(defs.LAG)
        self.buffered = self._gauge(defs.BUFFERED)
        self.assigned = self._gauge(defs.ASSIGNED)
        self.sink_up = self._gauge(defs.SINK_UP)
        self.stalled = self._gauge(defs.STALLED)
        self.verdict_since = self._gauge(defs.VERDICT_SINCE)
        self.audit_entries = self._counter(defs.AUDIT_ENTRIES)
        self.audit_duplicates = self._counter(defs.AUDIT_DUPLICATES)
        self.audit_unreadable = self._counter(defs.AUDIT_UNREADABLE)
        self.audit_rejected = self._counter(defs.AUDIT_REJECTED)
        self.audit_redone = self._counter(defs.AUDIT_REDONE)
        self.audit_void = self._counter(defs.AUDIT_VOID)
        self.audit_missed = self._counter(defs.AUDIT_MISSED)
        self.audit_forgotten = self._counter(defs.AUDIT_FORGOTTEN)
        self.traces_spans = self._counter(defs.TRACES_SPANS)
        self.traces_abandoned = self._counter(defs.TRACES_ABANDONED)
        self.traces_open = self._gauge(defs.TRACES_OPEN)
        self.traces_duplicates = self._counter(defs.TRACES_DUPLICATES)
        self.traces_redone = self._counter(defs.TRACES_REDONE)
        self.traces_ignored = self._counter(defs.TRACES_IGNORED)
        self.traces_erased = self._counter(defs.TRACES_ERASED)
        self.traces_forgotten = self._counter(defs.TRACES_FORGOTTEN)
        self.alerts_transitions = self._counter(defs.ALERTS_TRANSITIONS)
        self.alerts_late = self._counter(defs.ALERTS_LATE)
        self.alerts_unreadable = self._counter(defs.ALERTS_UNREADABLE)
        self.notifications = self._counter(defs.NOTIFICATIONS)
        self.notify_waiting = self._gauge(defs.NOTIFY_WAITING)
        self.notify_parked = self._gauge(defs.NOTIFY_PARKED)
        self.notify_disabled = self._gauge(defs.NOTIFY_DISABLED)
        self.notify_unknown = self._counter(defs.NOTIFY_UNKNOWN)
        self.notify_seconds = self._histogram(defs.NOTIFY_SECONDS)
        self.silences_active = self._gauge(defs.SILENCES_ACTIVE)
        self.seal_leaves = self._counter(defs.SEAL_LEAVES)
        self.seal_segments = self._counter(defs.SEAL_SEGMENTS)
        self.seal_size = self._gauge(defs.SEAL_SIZE)
        self.seal_signed = self._gauge(defs.SEAL_SIGNED)
        self.seal_waiting = self._gauge(defs.SEAL_WAITING)
        self.seal_fenced = self._counter(defs.SEAL_FENCED)
        self.seal_rows = self._counter(defs.SEAL_ROWS)
        self.seal_class_leaves = self._counter(defs.SEAL_CLASS_LEAVES)
        self.seal_witness_failures = self._counter(defs.SEAL_WITNESS_FAILURES)
        self.otlp_spans = self._counter(defs.OTLP_SPANS)
        self.otlp_retries = self._counter(defs.OTLP_RETRIES)
        self.otlp_rejected = self._counter(defs.OTLP_REJECTED)
        self.otlp_dead_letters = self._counter(defs.OTLP_DEAD_LETTERS)
        self.otlp_repeated = self._counter(defs.OTLP_REPEATED)
        self.otlp_forgotten = self._counter(defs.OTLP_FORGOTTEN)
        self.otlp_seconds = self._histogram(defs.OTLP_SECONDS)

    def register(self, collector: Collector) -> None:
        """Show what a collector finds beside them."""
        self._registry.register(collector)

    def render(self, accepted: str = "") -> tuple[bytes, str]:
        """Return the text and its content type: OpenMetrics where that is accepted."""
        encode, content_type = choose_encoder(accepted)
        return encode(self._registry), content_type

    def _counter(self, definition: MetricDef) -> Counter:
        # The library puts _total back itself.
        name = definition.name[: -len("_total")]
        return Counter(name, definition.help, definition.labels, registry=self._registry)

    def _histogram(self, definition: MetricDef) -> Histogram:
        return Histogram(
            definition.name,
            definition.help,
            definition.labels,
            buckets=definition.buckets,
            registry=self._registry,
        )

    def _gauge(self, definition: MetricDef) -> Gauge:
        return Gauge(definition.name, definition.help, definition.labels, registry=self._registry)
