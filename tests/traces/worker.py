"""A worker of ``traces`` for tests, which saves its states often."""

from __future__ import annotations

from headrace.events.settings import Settings
from headrace.streams.processor import Processor
from headrace.streams.processors import FACTORIES, Options
from headrace.streams.traces.partition import Bounds
from headrace.streams.traces.processor import NAME, TracesOptions, TracesProcessor
from headrace.streams.worker import main
from headrace.streams.worker_metrics import Metrics


def _traces(settings: Settings, metrics: Metrics, options: Options) -> Processor:
    bounds = Bounds(silence_ms=int(options.silence_seconds * 1000))
    return TracesProcessor(
        settings, metrics, tuning=options.tuning, options=TracesOptions(1.0, bounds)
    )


if __name__ == "__main__":
    FACTORIES[NAME] = _traces
    main()
