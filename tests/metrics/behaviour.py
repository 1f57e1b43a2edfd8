"""What the metrics processor does, whatever the broker: compared with the log itself.

The oracle reads agent.events and counts it in one go, with one state a partition and no crash. What
the workers told must be the same, record by record.
"""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any

import orjson

from headrace.events import topics
from headrace.events.metrics import WATERMARK
from headrace.streams.metrics import prices
from headrace.streams.metrics.panes_log import record_of
from headrace.streams.metrics.partition import Partition
from tests.archive.rig import Rig, WithoutClickHouse, Worker
from tests.support import wait_until

Panes = dict[str, dict[str, Any]]


async def told(rig: Rig) -> Panes:
    """What the workers told: the newest of each key. Equal offsets must be equal values."""
    panes: Panes = {}
    for record in await rig.records(topics.METRICS):
        pane = orjson.loads(record.value)
        if pane["metric"] == WATERMARK:
            continue
        log = pane.pop("log")
        key = orjson.dumps(orjson.loads(record.key)).replace(log.encode(), b"-").decode()
        before = panes.get(key)
        if before is not None and before["offset"] == pane["offset"]:
            assert before == pane
        if before is None or before["offset"] <= pane["offset"]:
            panes[key] = pane
    return panes


async def counted(rig: Rig) -> Panes:
    """What the log says, read in one go."""
    states: dict[int, Partition] = {}
    for record in await rig.records(topics.EVENTS):
        states.setdefault(record.partition, Partition(prices.load())).take([record])
    panes: Panes = {}
    for partition, state in states.items():
        for one in state.tell():
            key, value = record_of(one, "-", partition)
            pane = orjson.loads(value)
            del pane["log"]
            panes[key.decode()] = pane
    return panes


class MetricsBehaviour(WithoutClickHouse):
    async def same(self, rig: Rig) -> None:
        """Wait until what was told is what the log says."""
        want = await counted(rig)

        async def agrees() -> bool:
            return await told(rig) == want

        try:
            await wait_until(agrees, 60, what="the panes that the log says")
        except AssertionError as error:
            got = await told(rig)
            wrong = {k: (got.get(k), v) for k, v in want.items() if got.get(k) != v}
            some = dict(list(wrong.items())[:3])
            raise AssertionError(f"{error}: {some}\n{rig.last_words()}") from None

    async def test_every_event_is_in_its_pane_once(self, rig: Rig) -> None:
        lines: list[bytes | None] = [a_line(rig, seq) for seq in range(1, 1001)]
        await rig.produce(lines)
        await rig.produce(lines[:300])  # shipped again, at other offsets and maybe other partitions
        worker = await rig.start(name="metrics")
        await self.same(rig)
        await rig.produce([a_line(rig, seq) for seq in range(1001, 1101)])
        await self.same(rig)
        await wait_until(worker.healthy, 60, what="healthy")
        calls = await counted(rig)
        total = sum(p["sum"] for p in calls.values() if p["metric"] == "agent.tool.calls")
        shown = partial(shows, worker, "agent_tool_calls_total", total)
        await wait_until(shown, 60, what=f"{total} tool calls on /metrics")
        assert worker.stop() == 0

    async def test_kills_change_nothing(self, rig: Rig) -> None:
        draw = random.Random(7)
        for start in range(1, 6001, 2000):
            worker = await rig.start(name="metrics")
            await wait_until(worker.healthy, 60, what="healthy")
            await rig.produce([a_line(rig, seq) for seq in range(start, start + 2000)])
            await wait_until(partial(some_told, rig, start // 2), 60, what="panes")
            await rig.produce([a_line(rig, draw.randrange(1, start + 1)) for _ in range(200)])
            worker.kill()
        await rig.start(name="metrics")
        await self.same(rig)

    async def test_workers_come_and_go(self, rig: Rig) -> None:
        first = await rig.start(name="metrics")
        await wait_until(first.healthy, 60, what="healthy")
        await rig.produce([a_line(rig, seq) for seq in range(1, 1001)])
        others = [await rig.start(name="metrics") for _ in range(3)]
        for worker in others:
            await wait_until(worker.healthy, 60, what="healthy")
        await rig.produce([a_line(rig, seq) for seq in range(1001, 2001)])
        await self.same(rig)  # on four
        for worker in (first, others[0]):
            code = await asyncio.to_thread(worker.stop)
            assert code == 0, worker.log.read_text()[-3000:]
        await rig.produce([a_line(rig, seq) for seq in range(2001, 3001)])
        await self.same(rig)  # on two
        others[1].kill()
        await rig.start(name="metrics")
        await self.same(rig)


def a_line(rig: Rig, seq: int) -> bytes:
    kind, data = [
        ("tool_complete", {"tool": f"t{seq % 7}", "status": "ok", "duration_ms": seq % 90}),
        ("llm_call_started", {"model": f"m{seq % 3}"}),
        ("llm_call_completed", {"status": "ok", "prompt_tokens": seq, "duration_ms": 12}),
        ("llm_text", {"chunk": "x"}),
    ][seq % 4]
    return rig.line(seq, session=f"s-{seq % 5}", type=kind, data=data)


async def some_told(rig: Rig, events: int) -> bool:
    panes = (await told(rig)).values()
    return bool(sum(p["sum"] for p in panes if p["metric"] == "agent.events") >= events)


async def shows(worker: Worker, name: str, value: float) -> bool:
    return await worker.metric(name) == value
