"""The alerts as they run: a real worker process, and a test in the place of the metrics."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from headrace.events import topics
from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.engine import Engine
from headrace.streams.alerts.records import PaneRecord
from headrace.streams.alerts.rules import loads
from headrace.streams.alerts.transition import Transition
from headrace.streams.metrics.pane import PaneKey
from headrace.streams.metrics.panes_log import PanesLog
from headrace.streams.metrics.partition import Told
from tests.archive.rig import NOWHERE, PARTITIONS, Rig, Worker
from tests.support import wait_until

Story = dict[tuple[str, int], Transition]
"""Transitions by identity."""


@dataclass
class AlertsRig:
    rig: Rig
    rules: str
    metrics: PanesLog
    base: int = field(default_factory=lambda: int(time.time()) // PANE_SECONDS * PANE_SECONDS - 600)
    """The end of a pane ten minutes ago: young enough to page for."""
    panes: list[PaneRecord] = field(default_factory=list)
    """All that were told."""
    beats: Iterable[int] = field(default_factory=lambda: count(1))

    async def start(self) -> Worker:
        worker = await self.rig.start(name="alerts")
        await wait_until(worker.healthy, 60, what="healthy")
        return worker

    async def tell(self, panes: Sequence[PaneRecord]) -> None:
        """Write panes as the metrics processor does."""
        told = [
            Told(
                PaneKey(one.tenant, one.start, 1),
                one.metric,
                one.labels,
                one.count,
                one.sum,
                one.buckets,
                one.offset,
            )
            for one in panes
        ]
        await self.metrics.write(told, "log", 0)
        self.panes += panes

    async def beat(self, end: int) -> None:
        """Tell all partitions that panes up to a time are whole."""
        await self.metrics.write_watermark(float(end), "log", 0, next(iter(self.beats)))

    async def judged(self, end: int) -> None:
        """Have the panes up to a time judged in every partition, and wait for it."""
        try:
            await wait_until(partial(self._is_judged, end), 60, interval=0.3, what=f"judged {end}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.rig.last_words()}") from None

    async def _is_judged(self, end: int) -> bool:
        await self.beat(end)
        states = await self.latest(topics.ALERTS_STATE)
        return sum(1 for one in states.values() if one["end"] >= end) == PARTITIONS

    async def latest(self, topic: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for record in await self.rig.records(topic):
            found.pop(record.key.decode(), None)
            if record.value is not None:
                found[record.key.decode()] = orjson.loads(record.value)
        return found

    async def story(self) -> Story:
        """Read agent.alerts.log. What comes twice must say the same."""
        found: Story = {}
        for record in await self.rig.records(topics.ALERTS_LOG):
            one = Transition.from_data(orjson.loads(record.value))
            assert record.key.decode() == one.id
            before = found.setdefault((one.id, one.seq), one)
            assert said(before) == said(one)
        return found

    async def states(self, tenant: str) -> list[str]:
        """Read what the log says of a tenant, in its order."""
        return [one.state for one in (await self.story()).values() if one.tenant == tenant]

    def oracle(self, first: int, until: int, at: float | None = None) -> Story:
        """Judge all that was told in one go, with one engine, from the end of a pane on.

        ``at``: when it is judged, where that decides who is paged (s since 1970; None: now).
        """
        engine = Engine(loads(self.rules), time.time if at is None else lambda: at)
        for pane in self.panes:
            engine.take(pane)
        changes = [
            change
            for end in range(first, until + 1, PANE_SECONDS)
            for change in engine.advance(end)
            if change.logged
        ]
        return {(one.transition.id, one.transition.seq): one.transition for one in changes}

    async def same(self, first: int, until: int, at: float | None = None) -> None:
        """The log says what one engine says, at a time where that decides."""
        await self.judged(until)
        got, want = await self.story(), self.oracle(first, until, at)
        assert {k: said(v) for k, v in got.items()} == {k: said(v) for k, v in want.items()}


def said(one: Transition) -> dict[str, Any]:
    """A transition but for when it was judged, which a redo may do later."""
    return {name: value for name, value in one.as_data().items() if name != "at"}


@asynccontextmanager
async def alerts_rig(
    kafka: str, directory: Path, session_timeout: float, rules: str
) -> AsyncIterator[AlertsRig]:
    rig = Rig(kafka, NOWHERE, directory, session_timeout)
    path = directory / "rules.toml"
    path.write_text(rules)
    rig.environment["HEADRACE_ALERT_RULES"] = str(path)
    await rig.prepare()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=5, acks="all")
    await producer.start()
    try:
        yield AlertsRig(rig, rules, PanesLog(producer, rig.prefix + topics.METRICS))
    finally:
        await rig.close()
        await producer.stop()
