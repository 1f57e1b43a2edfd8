"""The metrics of one worker process, in a registry of their own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from headrace.streams.worker_metrics_defs import (
    alerts,
    archive,
    audit,
    notify,
    otlp,
    seal,
    traces,
    worker,
)
from headrace.streams.worker_metrics_defs.definition import MetricDef


class Metrics:
    """Made from :data:`headrace.streams.worker_metrics_defs.METRICS`. Safe from any thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.rows = self._counter(archive.ROWS)
        self.batches = self._counter(archive.BATCHES)
        self.bytes = self._counter(archive.BYTES)
        self.dead_letters = self._counter(archive.DEAD_LETTERS)
        self.erased = self._counter(archive.ERASED)
        self.retries = self._counter(archive.RETRIES)
        self.insert_seconds = self._histogram(archive.INSERT_SECONDS)
        self.freshness = self._histogram(archive.FRESHNESS)
        self.scrubbed = self._counter(archive.SCRUBBED)
        self.scrub_rewritten = self._counter(archive.SCRUB_REWRITTEN)
        self.scrub_kept = self._counter(archive.SCRUB_KEPT)
        self.scrub_withheld = self._counter(archive.SCRUB_WITHHELD)
        self.scrub_seconds = self._histogram(archive.SCRUB_SECONDS)
        self.lag = self._gauge(worker.LAG)
        self.buffered = self._gauge(worker.BUFFERED)
        self.assigned = self._gauge(worker.ASSIGNED)
        self.sink_up = self._gauge(worker.SINK_UP)
        self.stalled = self._gauge(worker.STALLED)
        self.verdict_since = self._gauge(worker.VERDICT_SINCE)
        self.audit_entries = self._counter(audit.ENTRIES)
        self.audit_duplicates = self._counter(audit.DUPLICATES)
        self.audit_unreadable = self._counter(audit.UNREADABLE)
        self.audit_rejected = self._counter(audit.REJECTED)
        self.audit_redone = self._counter(audit.REDONE)
        self.audit_void = self._counter(audit.VOID)
        self.audit_missed = self._counter(audit.MISSED)
        self.audit_forgotten = self._counter(audit.FORGOTTEN)
        self.traces_spans = self._counter(traces.SPANS)
        self.traces_abandoned = self._counter(traces.ABANDONED)
        self.traces_open = self._gauge(traces.OPEN)
        self.traces_duplicates = self._counter(traces.DUPLICATES)
        self.traces_redone = self._counter(traces.REDONE)
        self.traces_ignored = self._counter(traces.IGNORED)
        self.traces_erased = self._counter(traces.ERASED)
        self.traces_forgotten = self._counter(traces.FORGOTTEN)
        self.alerts_transitions = self._counter(alerts.TRANSITIONS)
        self.alerts_late = self._counter(alerts.LATE)
        self.alerts_unreadable = self._counter(alerts.UNREADABLE)
        self.notifications = self._counter(notify.NOTIFICATIONS)
        self.notify_waiting = self._gauge(notify.WAITING)
        self.notify_parked = self._gauge(notify.PARKED)
        self.notify_disabled = self._gauge(notify.DISABLED)
        self.notify_unknown = self._counter(notify.UNKNOWN)
        self.notify_seconds = self._histogram(notify.SECONDS)
        self.silences_active = self._gauge(notify.SILENCES_ACTIVE)
        self.seal_leaves = self._counter(seal.LEAVES)
        self.seal_segments = self._counter(seal.SEGMENTS)
        self.seal_size = self._gauge(seal.SIZE)
        self.seal_signed = self._gauge(seal.SIGNED)
        self.seal_waiting = self._gauge(seal.WAITING)
        self.seal_fenced = self._counter(seal.FENCED)
        self.seal_rows = self._counter(seal.ROWS)
        self.seal_class_leaves = self._counter(seal.CLASS_LEAVES)
        self.seal_witness_failures = self._counter(seal.WITNESS_FAILURES)
        self.otlp_spans = self._counter(otlp.SPANS)
        self.otlp_retries = self._counter(otlp.RETRIES)
        self.otlp_rejected = self._counter(otlp.REJECTED)
        self.otlp_dead_letters = self._counter(otlp.DEAD_LETTERS)
        self.otlp_repeated = self._counter(otlp.REPEATED)
        self.otlp_forgotten = self._counter(otlp.FORGOTTEN)
        self.otlp_seconds = self._histogram(otlp.SECONDS)

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
