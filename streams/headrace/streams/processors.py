"""The processors by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from headrace.events.settings import Settings
from headrace.sinks import tables
from headrace.sinks.audit.keys import open_signing
from headrace.sinks.audit.vault.vault import open_vault
from headrace.sinks.clickhouse import ClickHouseSink
from headrace.sinks.notify.receivers import read_receivers
from headrace.streams import archive
from headrace.streams.alerts import processor as alerts
from headrace.streams.alerts import rules
from headrace.streams.alerts.processor import AlertsProcessor
from headrace.streams.archive import Archive
from headrace.streams.archiver import ArchiveOptions
from headrace.streams.metrics import prices, processor
from headrace.streams.metrics.processor import MetricsProcessor
from headrace.streams.notify import processor as notify
from headrace.streams.notify.parts import Plan
from headrace.streams.notify.processor import NotifyProcessor
from headrace.streams.processor import Processor
from headrace.streams.seal import processor as seal
from headrace.streams.seal.partition import Limits
from headrace.streams.seal.processor import SealProcessor
from headrace.streams.seal.rows import Rows, last_index
from headrace.streams.seal.witness import open_witnesses
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics


@dataclass(frozen=True, slots=True)
class Options:
    """What a worker's command line may say about its processors."""

    tuning: Tuning
    archive: ArchiveOptions
    seal: Limits


def _archive(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    sink_of = partial(ClickHouseSink, settings.need_clickhouse())
    return Archive(settings, sink_of, metrics, tuning=options.tuning, options=options.archive)


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
    sink = ClickHouseSink(clickhouse, tables.AUDIT)
    return SealProcessor(
        settings,
        metrics,
        vault,
        open_signing(settings),
        rows=Rows(vault, sink, last_index(clickhouse), metrics),
        witnesses=open_witnesses(settings.audit.witnesses),
        tuning=options.tuning,
        limits=options.seal,
    )


def _notify(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    found = rules.load(settings.alert_rules)
    receivers = read_receivers([table.data for table in found.receivers], os.environ)
    return NotifyProcessor(settings, Plan(found, receivers), metrics, tuning=options.tuning)


FACTORIES: Final[dict[str, Callable[[Settings, Metrics, Options], Processor]]] = {
    archive.NAME: _archive,
    processor.NAME: _metrics,
    alerts.NAME: _alerts,
    notify.NAME: _notify,
    seal.NAME: _seal,
}
