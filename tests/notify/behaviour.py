"""What the worker of ``notify`` does, whatever the broker."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web

from headrace.streams.alerts.silences import silence
from headrace.streams.notify import desk
from tests.archive.rig import WithoutClickHouse, Worker
from tests.notify.endpoint import Endpoint, endpoint
from tests.notify.rig import NotifyRig, a_secret, alerts, ids, news
from tests.support import wait_until

INHIBIT = """
[[inhibit]]
source = 'alertname="Source"'
target = 'alertname="Target"'
equal = ["tenant"]
"""


class NotifyBehaviour(WithoutClickHouse):
    rig_class = NotifyRig

    @pytest.fixture
    async def ops(self) -> AsyncIterator[Endpoint]:
        async with endpoint(a_secret()) as there:
            yield there

    async def test_beginning_and_end_arrive_signed(self, rig: NotifyRig, ops: Endpoint) -> None:
        async with endpoint(a_secret()) as dead:
            dead.answers.extend(["hang"] * 5)
            rig.rules(("dead", dead), ("ops", ops))
            worker = await rig.begin()
            both = ("dead", "ops", "nobody")
            await rig.write(news("A.1", "pending", to=both), news("A.1", seq=2, to=both))
            await rig.got(ops, ("A.1", "firing"))
            await rig.write(news("A.1", seq=2, to=both), news("A.1", "resolved", 3, to=both))
            await rig.got(ops, ("A.1", "resolved"))
            assert [alerts(got) for got in ops.got] == [[("A.1", "firing")], [("A.1", "resolved")]]
            assert all(got.verified_by == ops.secrets for got in ops.got)
            assert len(set(ids(ops))) == 2
            await wait_until(lambda: len(dead.got) == 1, what="the one that hangs was tried")
            await wait_until(lambda: shows(worker, "headrace_notify_seconds_count", 2))
            _, text = await asyncio.to_thread(worker.get, "/metrics")
            assert 'headrace_notifications_total{outcome="delivered",receiver="ops"} 2.0' in text
            assert await worker.metric("headrace_notify_unknown_receiver_total") == 2
            await wait_until(lambda: shows(worker, "headrace_notify_waiting", 2), what="waiting")
            assert await worker.healthy()
            await rig.nothing_hidden_is_seen(worker)

    async def test_kills_tell_nothing_twice(self, rig: NotifyRig, ops: Endpoint) -> None:
        rig.rules(("ops", ops))
        draw = random.Random(7)
        expected = []
        for life in range(3):
            worker = await rig.begin()
            for burst in range(6):
                names = [f"G{draw.randrange(3)}.{life}-{burst}-{n}" for n in range(3)]
                await rig.write(*(news(name) for name in names))
                expected += [(name, "firing") for name in names]
                # Around the moment in which the worker reads, saves and tells.
                await asyncio.to_thread(time.sleep, draw.uniform(0, 0.06))
            worker.kill()
        await rig.begin()
        await rig.got(ops, *expected)
        ends = [news(name, "resolved", 2) for name, _ in expected]
        await rig.write(*ends)
        await rig.got(ops, *((name, "resolved") for name, _ in expected))

        await rig.one_id_for_each_number(ops)

    async def test_what_is_muted_is_told_when_that_ends(
        self, rig: NotifyRig, ops: Endpoint
    ) -> None:
        rig.rules(("ops", ops), more=INHIBIT)
        worker = await rig.begin()
        now = time.time()
        quiet = silence(
            'alertname="Quiet"',
            starts_at=now,
            ends_at=now + 999,
            created_by="",
            comment="",
            now=now,
        )
        await desk.write_silence(rig.settings, quiet)
        await wait_until(lambda: shows(worker, "headrace_silences_active", 1), what="the silence")
        await rig.write(news("Quiet.1"), news("Target.1"), news("Source.1"), news("Loud.1"))
        await rig.got(ops, ("Loud.1", "firing"), ("Source.1", "firing"))
        worker.kill()
        await rig.begin()
        await rig.write(news("Loud.2"))
        await rig.got(ops, ("Loud.2", "firing"))
        told = {name for got in ops.got for name, _ in alerts(got)}
        assert told == {"Loud.1", "Loud.2", "Source.1"}
        ended = replace(quiet, ends_at=time.time(), updated_at=time.time())
        await desk.write_silence(rig.settings, ended)
        await rig.got(ops, ("Quiet.1", "firing"))
        assert "Target.1" not in {name for got in ops.got for name, _ in alerts(got)}
        await rig.write(news("Source.1", "resolved", 2))
        await rig.got(ops, ("Target.1", "firing"))

    async def test_what_still_fires_is_told_again(self, rig: NotifyRig, ops: Endpoint) -> None:
        rig.rules(("ops", ops), repeat="2s")
        worker = await rig.begin()
        await rig.write(news("A.1"))
        await wait_until(lambda: len(set(ids(ops))) == 3, 60, what="two repeats")
        assert {one for got in ops.got for one in alerts(got)} == {("A.1", "firing")}
        # Repeats are no measure of how fast news travels.
        assert await worker.metric("headrace_notify_seconds_count") == 1

    async def test_a_restart_goes_on_and_people_ask_again(
        self, rig: NotifyRig, ops: Endpoint
    ) -> None:
        ops.answers.append(web.Response(status=503))
        rig.rules(("ops", ops))
        worker = await rig.begin()
        await rig.write(news("A.1"))
        await wait_until(lambda: status(rig, "retrying"), 60, what="retrying")
        worker.kill()
        ops.answers.append(web.Response(status=410))
        worker = await rig.begin()
        parked = await wait_until(lambda: status(rig, "parked"), 60, what="parked")
        assert parked is not None
        assert ids(ops) == [parked] * 2
        await wait_until(lambda: shows(worker, "headrace_notify_disabled", 1), what="disabled")
        await rig.write(news("B.1"))
        await wait_until(lambda: shows(worker, "headrace_notify_parked", 2), what="both parked")
        assert len(ops.got) == 2
        assert await worker.healthy()

        await desk.ask_again(rig.settings, parked)
        await wait_until(lambda: status(rig, "delivered"), 60, what="delivered")
        assert ids(ops) == [parked] * 3
        other = await status(rig, "parked", "B.1")
        assert other is not None
        assert await asyncio.to_thread(worker.stop) == 0
        await desk.ask_again(rig.settings, other)
        await rig.begin()
        await rig.got(ops, ("B.1", "firing"))
        assert ids(ops)[3:] == [other]

    async def test_two_workers(self, rig: NotifyRig, ops: Endpoint) -> None:
        rig.rules(("ops", ops))
        first = await rig.begin()
        await rig.write(news("A.1"))
        await rig.got(ops, ("A.1", "firing"))
        await rig.begin()
        await rig.write(news("A.2"), news("B.1"))
        await rig.got(ops, ("A.2", "firing"), ("B.1", "firing"))
        assert await asyncio.to_thread(first.stop) == 0
        await rig.write(news("A.1", "resolved", 2))
        await rig.got(ops, ("A.1", "resolved"))
        assert len(ops.got) == 4
        assert len(set(ids(ops))) == 4

    async def test_a_worker_that_only_thinks_it_has_the_log(
        self, rig: NotifyRig, ops: Endpoint
    ) -> None:
        rig.rules(("ops", ops))
        zombie = await rig.begin()
        await rig.write(news("A.1"))
        await rig.got(ops, ("A.1", "firing"))
        zombie.process.send_signal(signal.SIGSTOP)
        await rig.start(name="notify")
        await rig.write(news("A.2"))
        await rig.got(ops, ("A.2", "firing"))
        await rig.write(news("A.3"))
        zombie.process.send_signal(signal.SIGCONT)
        await rig.got(ops, ("A.3", "firing"))
        await wait_until(zombie.healthy, 60, what="healthy again")
        await rig.write(news("A.1", "resolved", 2), news("A.2", "resolved", 2))
        await rig.got(ops, ("A.1", "resolved"), ("A.2", "resolved"))
        await rig.one_id_for_each_number(ops)

    async def test_without_receivers_alerts_are_only_listed(self, rig: NotifyRig) -> None:
        worker = await rig.begin()
        await rig.write(news("A.1"), news("B.1"))
        await wait_until(lambda: shows(worker, "headrace_notify_unknown_receiver_total", 2), 60)
        assert await desk.list_deliveries(rig.settings) == []
        assert worker.log.read_text().count("has no [[receiver]]") == 1


async def shows(worker: Worker, name: str, value: float) -> bool:
    return await worker.metric(name) == value


async def status(rig: NotifyRig, wanted: str, alert: str = "A.1") -> str | None:
    """The id of the delivery about an alert, once it is what is wanted."""
    for one in await desk.list_deliveries(rig.settings):
        if one.notification.ids[0][0] == alert and one.status == wanted:
            return one.id
    return None
