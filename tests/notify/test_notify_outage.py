"""Kafka goes away and comes back: the worker goes on where it was. Real Kafka alone can do that."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from headrace.streams.alerts.silences import silence
from headrace.streams.notify import desk
from tests.archive.rig import NOWHERE
from tests.notify.behaviour import shows
from tests.notify.endpoint import endpoint
from tests.notify.rig import NotifyRig, a_secret, news
from tests.stack.real_kafka import KafkaCluster
from tests.support import wait_until


@pytest.mark.kafka
async def test_kafka_goes_and_comes_back(kafka_cluster: KafkaCluster, tmp_path: Path) -> None:
    rig = NotifyRig(kafka_cluster.bootstrap, NOWHERE, tmp_path, 6.0)
    await rig.prepare()
    async with endpoint(a_secret()) as ops:
        rig.rules(("ops", ops), repeat="1s")
        worker = await rig.begin()
        await rig.write(news("A.1"))
        await rig.got(ops, ("A.1", "firing"))
        # Repeats are due all the while, and cannot be saved.
        await asyncio.to_thread(kafka_cluster.kill)
        await asyncio.to_thread(kafka_cluster.restart)
        now = time.time()
        quiet = silence(
            'alertname="Quiet"',
            starts_at=now,
            ends_at=now + 99,
            created_by="",
            comment="",
            now=now,
        )
        await desk.write_silence(rig.settings, quiet)
        await wait_until(lambda: shows(worker, "headrace_silences_active", 1), 60)
        await rig.write(news("Quiet.1"), news("B.1"))
        await rig.got(ops, ("B.1", "firing"))
        assert not [got for got in ops.got if b"Quiet.1" in got.body]
        await wait_until(worker.healthy, 60, what="healthy")
        await rig.one_id_for_each_number(ops)
        assert worker.process.poll() is None
    await rig.close()
