"""A worker of ``audit`` for tests: keys that every process derives alike, states saved often."""

from __future__ import annotations

from headrace.events.settings import Settings
from headrace.streams.audit import policy
from headrace.streams.audit.processor import NAME, AuditProcessor
from headrace.streams.processor import Processor
from headrace.streams.processors import FACTORIES, Options
from headrace.streams.worker import main
from headrace.streams.worker_metrics import Metrics
from tests.audit.keys import DerivedKeys


def _audit(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    return AuditProcessor(
        settings,
        metrics,
        DerivedKeys(),
        policy.load(settings.audit.policy),
        tuning=options.tuning,
        save_seconds=1.0,
    )


if __name__ == "__main__":
    FACTORIES[NAME] = _audit
    main()
