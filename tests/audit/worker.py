"""A worker of ``audit`` for tests, which saves its states often."""

from __future__ import annotations

from headrace.events.settings import Settings
from headrace.sinks.audit.keys import open_keys
from headrace.streams.audit import policy
from headrace.streams.audit.processor import NAME, AuditProcessor
from headrace.streams.processor import Processor
from headrace.streams.processors import FACTORIES, Options
from headrace.streams.worker import main
from headrace.streams.worker_metrics import Metrics


def _audit(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    return AuditProcessor(
        settings,
        metrics,
        open_keys(settings),
        policy.load(settings.audit.policy),
        tuning=options.tuning,
        save_seconds=1.0,
    )


if __name__ == "__main__":
    FACTORIES[NAME] = _audit
    main()
