"""What the workers' watchdogs say, by the workers' own metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from headrace.streams.worker_metrics_defs.worker import STALLED, VERDICT_SINCE

ANSWER_SECONDS: Final = 5.0
"""The supervisor asks its workers, which answer from memory."""


@dataclass(frozen=True, slots=True)
class WatchdogState:
    """Of one processor."""

    processor: str
    stalled: bool
    stalled_seconds: float
    """How long its worst partition has had lag and has not moved; 0 where it is not stalled."""
    since: float
    """Since when it says so, in seconds since 1970."""


async def watchdogs(metrics_url: str | None) -> tuple[WatchdogState, ...]:
    """Return what is said at a Prometheus address. Empty where nothing answers there."""
    if metrics_url is None:
        return ()
    try:
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as client:
            return read((await client.get(metrics_url)).text)
    except (httpx.HTTPError, ValueError):
        return ()


def read(text: str) -> tuple[WatchdogState, ...]:
    """Read it from Prometheus' text. A processor whose watchdog has not looked yet is left out."""
    stalled: dict[str, float] = {}
    since: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            processor = sample.labels.get("processor", "")
            if sample.name == STALLED.name:
                stalled[processor] = sample.value
            elif sample.name == VERDICT_SINCE.name:
                since[processor] = sample.value
    return tuple(
        WatchdogState(name, stalled.get(name, 0.0) > 0, stalled.get(name, 0.0), since[name])
        for name in sorted(since)
    )
