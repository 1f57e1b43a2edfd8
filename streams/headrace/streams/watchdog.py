"""Notices a consumer that has silently stopped.

Faust and aiokafka have known ways to stop reading without an error. The watchdog compares what is
committed with where the partitions end, which it asks the brokers for itself: where there is lag,
the sink works and a partition has not moved for too long, it says so and the worker exits, for its
supervisor to start it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

from faust.types import TP

from headrace.streams.processor import Processor
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

ASK_SECONDS = 10.0
"""The brokers' answer about end offsets; a late one is asked for again next time."""


@dataclass(slots=True)
class _Seen:
    position: int
    since: float


class StallDetector:
    """The decision alone: feed it positions, it names the partition that is stuck."""

    def __init__(self, patience: float, clock: Callable[[], float] = monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._seen: dict[TP, _Seen] = {}

    def check(
        self, done: dict[TP, int], ends: dict[TP, int], *, excused: bool
    ) -> tuple[TP, int] | None:
        """Return (partition, lag) of one that has lag and has not moved for the patience.

        ``excused``: something else explains a standstill (the sink is away, a rebalance).
        """
        now = self._clock()
        if excused:
            self._seen.clear()
            return None
        stuck = None
        for tp in [tp for tp in self._seen if tp not in ends]:
            del self._seen[tp]
        for tp, end in ends.items():
            position = done.get(tp, 0)
            seen = self._seen.get(tp)
            if seen is None or seen.position != position or end <= position:
                self._seen[tp] = _Seen(position, now)
            elif now - seen.since >= self._patience:
                stuck = (tp, end - position)
        return stuck

    def standing(self) -> float:
        """For how many seconds the worst partition has had lag and has not moved."""
        now = self._clock()
        return max((now - seen.since for seen in self._seen.values()), default=0.0)


class Verdict:
    """What the watchdog says for people, before it acts: stalled or fine, and since when.

    A partition is stalled once it has stood for two looks: one falls between two batches.
    """

    def __init__(
        self, metrics: Metrics, name: str, patience: float, clock: Callable[[], float] = time
    ) -> None:
        self._metrics = metrics
        self._name = name
        self._patience = patience
        self._clock = clock
        self._stalled: bool | None = None

    def tell(self, standing: float) -> None:
        stalled = standing >= self._patience
        self._metrics.stalled.labels(self._name).set(standing if stalled else 0.0)
        if stalled != self._stalled:
            self._stalled = stalled
            since = self._clock() - (standing if stalled else 0.0)
            self._metrics.verdict_since.labels(self._name).set(since)


class Watchdog:
    """Looks at one processor's app every ``interval`` seconds; keeps its lag metrics too."""

    def __init__(
        self, processor: Processor, metrics: Metrics, *, patience: float, interval: float
    ) -> None:
        self._processor = processor
        self._metrics = metrics
        self._interval = interval
        self._detector = StallDetector(patience)
        self._verdict = Verdict(metrics, processor.name, min(patience, 2 * interval))

    async def run(self) -> str:
        """Return why the worker must restart, once it must."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                reason = await self._look()
            except Exception as error:
                log.warning("the watchdog could not look: %r", error)
                continue
            if reason:
                return reason

    async def _look(self) -> str | None:
        app = self._processor.app
        consumer: Any = app.consumer
        name = self._processor.name
        assigned = consumer.assignment() if joined(app) else set()
        self._metrics.assigned.labels(name).set(len(assigned))
        self._metrics.buffered.labels(name).set(consumer.buffered_bytes)
        if not assigned:
            self._detector.check({}, {}, excused=True)
            self._verdict.tell(0.0)
            return None
        ends = await asyncio.wait_for(consumer.highwaters(*assigned), ASK_SECONDS)
        done = {tp: consumer.progress(tp) for tp in assigned}
        for tp, end in ends.items():
            lag = max(0, end - done[tp])
            self._metrics.lag.labels(name, tp.topic, str(tp.partition)).set(lag)
        excused = self._processor.waiting_for_sink or app.rebalancing
        stuck = self._detector.check(done, ends, excused=excused)
        self._verdict.tell(self._detector.standing())
        if stuck is None or not await self._processor.sink_healthy():
            return None
        (topic, partition), lag = stuck
        return (
            f"{name}: {topic}/{partition} has {lag} records to read and has not moved although "
            "its sink works"
        )


def joined(app: Any) -> bool:
    """Whether the app is in its group and has been told its partitions (maybe none)."""
    return app._assignment is not None and not app.rebalancing  # noqa: SLF001
