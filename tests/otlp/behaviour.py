"""What the worker ``otlp`` does, whatever the broker: inherited for the embedded and a real Kafka.

The receiver is the small one of ours; what one that nobody here wrote makes of it is in
``test_collector.py``.
"""

from __future__ import annotations

import asyncio

from headrace.events import topics
from headrace.streams import dead_letter_box
from tests.archive.rig import OnARig, Worker
from tests.forget.behaviour import ANN, give, order
from tests.otlp.arrived import expected
from tests.otlp.receiver import Receiver, running
from tests.otlp.rig import OtlpRig, once
from tests.otlp.spans import span, trace
from tests.support import unique, wait_until

SECRET = unique("s3cret")


class OtlpBehaviour(OnARig):
    rig_class = OtlpRig
    protocol = "grpc"

    async def test_a_receivers_life(self, rig: OtlpRig) -> None:
        """One worker for all: it takes seconds to join its group."""
        protocol = self.protocol
        await give(rig, order(rig.tenant, "hers"))
        async with running(protocol) as receiver:
            headers = f"authorization=Bearer%20{SECRET}"
            worker = await rig.begin(receiver.endpoint, protocol, HEADRACE_OTLP_HEADERS=headers)
            await self.check_that_spans_arrive_as_they_were_written(rig, receiver)
            await self.check_that_what_comes_again_is_not_sent_again(rig, receiver, worker)
            await self.check_that_orders_are_honoured(rig, receiver, worker)
            await self.check_that_a_bad_span_stands_alone(rig, receiver, worker)
            await self.check_that_an_outage_is_waited_out(rig, receiver, worker)
            await self.check_that_it_stops_while_the_receiver_is_away(rig, worker)
        assert SECRET not in worker.log.read_text()

    async def check_that_spans_arrive_as_they_were_written(
        self, rig: OtlpRig, receiver: Receiver
    ) -> None:
        rows = [one for _ in range(300) for one in trace(rig.tenant, 4)]
        await rig.write(*rows)
        await rig.got(receiver, *rows)
        await rig.all_committed(1500)
        assert receiver.ids == once(rows)
        there = {one["span"]: one for one in receiver.spans}
        assert all(there[row["SpanId"]] == expected(row) for row in rows)
        assert max(map(len, receiver.requests)) <= 512
        auth = {name.lower(): text for name, text in receiver.headers[0].items()}["authorization"]
        assert auth == f"Bearer {SECRET}"

    async def check_that_what_comes_again_is_not_sent_again(
        self, rig: OtlpRig, receiver: Receiver, worker: Worker
    ) -> None:
        given_up = span(rig.tenant, StatusCode="Error")
        ended = given_up | {"Duration": given_up["Duration"] + 1, "StatusCode": "Ok"}
        await rig.write(given_up, ended, given_up, given_up)
        await rig.all_committed(1504)
        # A state of its own is news, though the span is the same.
        assert receiver.ids[given_up["SpanId"]] == 2
        assert await worker.metric("headrace_otlp_repeated_total") == 2
        assert await worker.metric("headrace_otlp_spans_total") == 1502

    async def check_that_orders_are_honoured(
        self, rig: OtlpRig, receiver: Receiver, worker: Worker
    ) -> None:
        hers = [span(rig.tenant, session="hers", user=""), span(rig.tenant, user=ANN)]
        theirs = span(rig.tenant, user="bob")
        await rig.write(*hers, theirs)
        await rig.all_committed(1507)
        assert theirs["SpanId"] in receiver.ids
        assert not {one["SpanId"] for one in hers} & set(receiver.ids)
        assert await worker.metric("headrace_otlp_forgotten_total") == 2

    async def check_that_a_bad_span_stands_alone(
        self, rig: OtlpRig, receiver: Receiver, worker: Worker
    ) -> None:
        good = [span(rig.tenant) for _ in range(40)]
        bad = [span(rig.tenant, SpanName="bad") for _ in range(2)]
        receiver.refuses = lambda one: one["name"] == "bad"
        torn = [span(rig.tenant, SpanId="none")]
        await rig.write(*good[:10], bad[0], *good[10:30], bad[1], *torn, *good[30:])
        await rig.all_committed(1550)
        assert {receiver.ids[one["SpanId"]] for one in good} == {1}
        letters = await dead_letter_box.list_letters(rig.settings)
        assert {one.place.topic for one in letters} == {rig.prefix + topics.SPANS}
        assert len(letters) == await worker.metric("headrace_otlp_dead_letters_total") == 3
        reasons = sorted(one.reason for one in letters)
        assert reasons[0].startswith("no span")
        assert all(reason.startswith("the receiver refuses it with") for reason in reasons[1:])
        # Mended there, they go.
        receiver.refuses = lambda _: False
        await dead_letter_box.redrive(rig.settings)
        await rig.got(receiver, *bad)
        await rig.all_committed(1553)

    async def check_that_an_outage_is_waited_out(
        self, rig: OtlpRig, receiver: Receiver, worker: Worker
    ) -> None:
        receiver.takes = lambda: False
        rows = [span(rig.tenant) for _ in range(1200)]
        await rig.write(*rows)
        before = await worker.metric("headrace_otlp_retries_total")

        async def tried() -> bool:
            return await worker.metric("headrace_otlp_retries_total") >= before + 3

        await wait_until(tried, 60, what="tried")
        await receiver.stop()  # and now nobody listens
        status, said = await asyncio.to_thread(worker.get, "/healthz")
        assert (status, "waits for its sink" in said) == (503, True)
        assert await worker.metric("headrace_worker_sink_up") == 0
        assert await rig.are_committed(1553)
        async with running(receiver.protocol, port=receiver.port) as again:
            await rig.got(again, *rows)
            await rig.all_committed(2753)
            assert again.ids == once(rows)
        assert worker.process.poll() is None
        assert not {row["SpanId"] for row in rows} & set(receiver.ids)

    async def check_that_it_stops_while_the_receiver_is_away(
        self, rig: OtlpRig, worker: Worker
    ) -> None:
        before = await worker.metric("headrace_otlp_retries_total")
        await rig.write(span(rig.tenant))

        async def tried() -> bool:
            return await worker.metric("headrace_otlp_retries_total") > before

        await wait_until(tried, 60, what="tried")
        assert await asyncio.to_thread(worker.stop) == 0
        assert await rig.are_committed(2753)

    async def test_killed_in_the_middle_nothing_is_lost(self, rig: OtlpRig) -> None:
        rows = [span(rig.tenant) for _ in range(6000)]
        async with running(self.protocol) as receiver:
            await rig.write(*rows)
            allowed = [2]

            def takes() -> bool:
                allowed[0] -= 1
                return allowed[0] >= 0

            receiver.takes = takes
            worker = await rig.begin(receiver.endpoint, receiver.protocol)
            await wait_until(lambda: allowed[0] < -1, 60, what="more than it takes")
            worker.kill()
            before = set(receiver.ids)
            allowed[0] = 10**9
            await rig.begin(receiver.endpoint, receiver.protocol)
            await rig.got(receiver, *rows)
            await rig.all_committed(6000)
            doubles = {one for one, count in receiver.ids.items() if count > 1}
            # Only what was in flight when it was killed comes twice.
            assert doubles <= before
            assert max(receiver.ids.values()) <= 2
