"""Every metric of the workers: name, kind, labels, and what an operator does about it.

Those of a processor stand in the module of its name, those that all have in ``worker``.
"""

from __future__ import annotations

from typing import Final

from headrace.streams.worker_metrics_defs import (
    alerts,
    archive,
    audit,
    metrics,
    notify,
    otlp,
    seal,
    traces,
    worker,
)

METRICS: Final = (
    *archive.METRICS,
    *worker.METRICS,
    *metrics.METRICS,
    *alerts.METRICS,
    *audit.METRICS,
    *traces.METRICS,
    *notify.METRICS,
    *seal.METRICS,
    *otlp.METRICS,
)
