"""Records of agent.metrics, as the alerts read them."""

from __future__ import annotations

from dataclasses import dataclass
from sys import intern
from typing import Any, Final

import orjson

from headrace.events.metrics import METRICS, PANE_SECONDS, WATERMARK

LARGEST: Final = 1e200
"""Of values that add up to a number, however many they are; no pane of ours comes near."""


@dataclass(frozen=True, slots=True)
class PaneRecord:
    """One series of one pane out of one source, as it is at an offset of that source."""

    tenant: str
    metric: str
    labels: tuple[str, ...]
    """Values of the metric's labels, in its order."""
    start: int
    """Seconds since 1970."""
    source: tuple[str, int, int]
    """Log, partition and generation: each adds to the pane."""
    offset: int
    """The greater one is the newer state of the same series, pane and source."""
    count: int
    sum: float
    buckets: tuple[int, ...] = ()
    """Observations by bucket, not cumulative."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """Up to which event time a partition has been read, in seconds."""

    partition: int
    log: str
    watermark: float
    offset: int
    """Where the partition was read up to: of one log, the greater one is the newer state."""


def decode(value: bytes | None) -> PaneRecord | Watermark | None:
    """Read the value of a record; None for a tombstone or a metric that is not known here.

    Raises :class:`ValueError` where it is not as the metrics processor writes it.
    """
    if value is None:
        return None
    try:
        data = orjson.loads(value)
        return _watermark(data) if data["metric"] == WATERMARK else pane_of(data)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"no record of agent.metrics: {error!r}") from None


def pane_of(data: dict[str, Any]) -> PaneRecord | None:
    """Make a pane of decoded JSON, or of a row of the archive with the same names.

    Raises :class:`KeyError`, :class:`TypeError` or :class:`ValueError`.
    """
    metric = METRICS.get(data["metric"])
    if metric is None:
        return None
    buckets = tuple(map(int, data["buckets"]))
    wanted = len(metric.buckets) + 1 if metric.buckets else 0
    if len(buckets) != wanted:
        raise ValueError(f"{metric.name} has {wanted} buckets, not {len(buckets)}")
    start = int(data["start"])
    if start % PANE_SECONDS:
        raise ValueError(f"{start} is no start of a pane")
    count, total = int(data["count"]), float(data["sum"])
    if not all(abs(one) < LARGEST for one in (count, total, *buckets)):
        raise ValueError("a number that cannot be added up")
    # The same few texts stand in millions of records.
    return PaneRecord(
        tenant=intern(str(data["tenant"])),
        metric=metric.name,
        labels=tuple(intern(str(data["labels"].get(name, ""))) for name in metric.labels),
        start=start,
        source=(intern(str(data["log"])), int(data["partition"]), int(data["generation"])),
        offset=int(data["offset"]),
        count=count,
        sum=total,
        buckets=buckets,
    )


def _watermark(data: dict[str, Any]) -> Watermark:
    at = float(data["sum"])
    if not abs(at) < LARGEST:
        raise ValueError(f"{at} is no time")
    return Watermark(int(data["partition"]), str(data["log"]), at, int(data["offset"]))
