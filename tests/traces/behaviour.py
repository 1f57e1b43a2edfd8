"""What the worker does, whatever the broker: compared with what was accepted."""

from __future__ import annotations

import asyncio
import signal

import orjson
from aiokafka import AIOKafkaProducer

from headrace.events import topics
from headrace.streams.erasure.order import Order, mark, records
from tests.archive.rig import WithoutClickHouse
from tests.support import wait_until
from tests.traces.making import Session, turn
from tests.traces.rig import TracesRig, session_of


class TracesBehaviour(WithoutClickHouse):
    rig_class = TracesRig

    async def test_kills_lose_no_span_and_double_none(self, rig: TracesRig) -> None:
        for _ in range(2):
            worker = await rig.start(name="traces")
            before = await rig.written()

            async def more(before: int = before) -> bool:
                return await rig.written() > before

            await rig.play(150, again=40)
            await wait_until(more, 60, what="more spans")
            producing = asyncio.create_task(rig.play(150))
            await asyncio.sleep(0)
            worker.kill()
            await producing
        await rig.begin()
        await rig.agree()

    async def test_an_orderly_end_leaves_nothing_to_make_again(self, rig: TracesRig) -> None:
        first = await rig.begin()
        await rig.play(20)
        await rig.agree()
        assert await asyncio.to_thread(first.stop) == 0, first.log.read_text()[-3000:]
        again = await rig.begin()
        await rig.play(20, again=300)
        await rig.agree()
        assert await again.metric("headrace_traces_redone_total") == 0
        assert await again.metric("headrace_traces_duplicates_total") == 900
        spans = sum(map(len, rig.wanted()))
        assert await again.metric("headrace_traces_spans_total") == spans // 2

    async def test_who_was_away_writes_copies_at_most(self, rig: TracesRig) -> None:
        """A zombie's copies have the same ids and the same bytes."""
        away = await rig.begin()
        await rig.play(20)
        await rig.agree()
        await rig.play(100)
        away.process.send_signal(signal.SIGSTOP)
        await rig.begin()
        await rig.play(100, again=50)
        await rig.agree(copies=True)
        away.process.send_signal(signal.SIGCONT)
        await rig.play(20)
        await rig.agree(copies=True)
        await wait_until(away.healthy, 60, what="healthy again")

    async def test_the_dead_and_the_forgotten(self, rig: TracesRig) -> None:
        worker = await rig.begin("--silence-seconds", "2")
        bob = Session("bob", "b" * 16)
        await self.forget(rig, "bob")
        await rig.produce_to(0, turn(Session("ann", "a" * 16))[:6])

        async def closed() -> bool:
            return await rig.written() == 3

        # No record comes any more: the clock closes it.
        await wait_until(closed, 60, what="the dead turn closed")
        roots = [one for one in (await rig.spans())[0] if not orjson.loads(one)["ParentSpanId"]]
        assert orjson.loads(roots[0])["SpanAttributes"]["headrace.abandoned"] == "silence"
        await rig.produce_to(0, [*turn(bob), *turn(Session("eve", "e" * 16))])

        async def there() -> bool:
            return any(session_of(one) == "eve" for one in (await rig.spans())[0])

        await wait_until(there, 60, what="the next turn")
        names = [session_of(one) for one in (await rig.spans())[0]]
        assert names == ["ann"] * 3 + ["eve"] * 3
        assert await worker.metric("headrace_traces_erased_total") == 3

    async def forget(self, rig: TracesRig, session: str) -> None:
        salt = b"s" * 16
        marks = frozenset({mark(salt, "session", "acme", session)})
        order = Order("f-1", "acme", salt, mark(salt, "user", "acme", "x"), marks, 1.0)
        producer = AIOKafkaProducer(bootstrap_servers=rig.kafka)
        await producer.start()
        try:
            for key, value in records(order):
                await producer.send_and_wait(rig.prefix + topics.ERASURES, value, key)
        finally:
            await producer.stop()
