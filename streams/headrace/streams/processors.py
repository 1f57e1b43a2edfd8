"""The processors by name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from headrace.events.errors import Retryable
from headrace.events.settings import Settings
from headrace.sinks import tables
from headrace.sinks.audit.keys import open_keys, open_signing
from headrace.sinks.audit.vault import marker
from headrace.sinks.audit.vault.vault import Vault, open_vault
from headrace.sinks.clickhouse import ClickHouseSink
from headrace.sinks.notify.receivers import read_receivers
from headrace.sinks.otlp.exporter import open_exporter
from headrace.streams import archive, scrub
from headrace.streams.alerts import processor as alerts
from headrace.streams.alerts import rules
from headrace.streams.alerts.processor import AlertsProcessor
from headrace.streams.archive import Archive
from headrace.streams.archiver import ArchiveOptions
from headrace.streams.audit import policy
from headrace.streams.audit import processor as audit
from headrace.streams.audit.class_topics import days_of
from headrace.streams.audit.processor import AuditProcessor
from headrace.streams.metrics import prices, processor
from headrace.streams.metrics.processor import MetricsProcessor
from headrace.streams.notify import processor as notify
from headrace.streams.notify.parts import Plan
from headrace.streams.notify.processor import NotifyProcessor
from headrace.streams.otlp import processor as otlp
from headrace.streams.otlp.processor import OtlpProcessor
from headrace.streams.processor import Processor
from headrace.streams.seal import processor as seal
from headrace.streams.seal.class_link import ClassLink
from headrace.streams.seal.class_topics import ClassTopics
from headrace.streams.seal.partition import Limits
from headrace.streams.seal.processor import SealProcessor
from headrace.streams.seal.rows import Rows, last_index
from headrace.streams.seal.witness import open_witnesses
from headrace.streams.traces import processor as traces
from headrace.streams.traces.partition import Bounds
from headrace.streams.traces.processor import TracesOptions, TracesProcessor
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics

if TYPE_CHECKING:
    from headrace.streams.scrub.batches import BatchScrubber  # needs the extra scrub


@dataclass(frozen=True, slots=True)
class Options:
    """What a worker's command line may say about its processors."""

    tuning: Tuning
    archive: ArchiveOptions
    seal: Limits
    silence_seconds: float
    """After which what is under way in a session is taken for dead."""


def _archive(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    sink_of = partial(ClickHouseSink, settings.need_clickhouse())
    return Archive(
        settings,
        sink_of,
        metrics,
        tuning=options.tuning,
        options=options.archive,
        scrubber=_scrubber(settings, metrics),
    )


def _scrubber(settings: Settings, metrics: Metrics) -> BatchScrubber | None:
    if settings.scrub is None:
        return None
    scrub.need_extra()
    from headrace.streams.scrub import batches, config  # noqa: PLC0415 - need the extra

    return batches.BatchScrubber(config.load(settings.scrub, os.environ), metrics)


def _metrics(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    return MetricsProcessor(
        settings, metrics, tuning=options.tuning, prices=prices.load(settings.prices)
    )


def _alerts(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    return AlertsProcessor(
        settings, metrics, rules.load(settings.alert_rules), tuning=options.tuning
    )


def _seal(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    vault, clickhouse = open_vault(settings), settings.need_clickhouse()
    with contextlib.suppress(Retryable):  # a vault that is away is waited for
        marker.need(vault.place)
    sink = ClickHouseSink(clickhouse, tables.AUDIT)
    return SealProcessor(
        settings,
        metrics,
        vault,
        open_signing(settings),
        rows=Rows(vault, sink, last_index(clickhouse), metrics),
        classes=_classes(settings, metrics, vault),
        witnesses=open_witnesses(settings.audit.witnesses),
        tuning=options.tuning,
        limits=options.seal,
    )


def _classes(settings: Settings, metrics: Metrics, vault: Vault) -> ClassTopics | None:
    if not settings.audit.topic_per_class:
        return None
    classes = policy.load(settings.audit.policy).classes.values()
    kept = {one.name: days_of(one) for one in classes}
    return ClassTopics(vault, ClassLink(settings, seal.NAME), kept, metrics)


def _notify(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    found = rules.load(settings.alert_rules)
    receivers = read_receivers([table.data for table in found.receivers], os.environ)
    return NotifyProcessor(settings, Plan(found, receivers), metrics, tuning=options.tuning)


def _audit(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    judged_by = policy.load(settings.audit.policy)
    return AuditProcessor(settings, metrics, open_keys(settings), judged_by, tuning=options.tuning)


def _traces(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    bounds = Bounds(silence_ms=int(options.silence_seconds * 1000))
    return TracesProcessor(
        settings, metrics, tuning=options.tuning, options=TracesOptions(bounds=bounds)
    )


def _otlp(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    exporter = open_exporter(settings.need_otlp())
    limits = options.archive.limits
    return OtlpProcessor(settings, exporter, metrics, tuning=options.tuning, limits=limits)


FACTORIES: Final[dict[str, Callable[[Settings, Metrics, Options], Processor]]] = {
    archive.NAME: _archive,
    processor.NAME: _metrics,
    alerts.NAME: _alerts,
    notify.NAME: _notify,
    audit.NAME: _audit,
    seal.NAME: _seal,
    traces.NAME: _traces,
    otlp.NAME: _otlp,
}
