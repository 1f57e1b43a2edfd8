"""Kafka goes away and comes back; topics are made anew. Real Kafka alone can do either."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.archive.rig import NOWHERE, PARTITIONS
from tests.audit.rig import AuditRig, some
from tests.stack.made_anew import make_anew
from tests.stack.real_kafka import KafkaCluster
from tests.support import wait_until


@pytest.mark.kafka
async def test_kafka_away_and_topics_made_anew(kafka_cluster: KafkaCluster, tmp_path: Path) -> None:
    rig = AuditRig(kafka_cluster.bootstrap, NOWHERE, tmp_path, 6.0)
    await rig.prepare()
    worker = await rig.start(name="audit")
    await rig.produce(some(1, 300))
    await rig.agree()
    await rig.produce(some(301, 6000))
    await asyncio.to_thread(kafka_cluster.kill)
    await asyncio.to_thread(kafka_cluster.restart)
    await rig.produce(some(5001, 7000))
    logs = await rig.agree()
    await wait_until(worker.healthy, 60, what="healthy")
    assert worker.process.poll() is None
    # Another agent.events: the worker ends, and the next one begins other logs behind the old.
    await make_anew(rig.kafka, rig.topic, PARTITIONS)
    assert await worker.ended() == 1
    assert "made anew" in worker.log.read_text()
    await rig.produce(some(1, 300))
    again = await rig.start(name="audit")
    entries = sum(map(len, logs))
    await wait_until(lambda: more(rig, entries + PARTITIONS + 120), 60, what="the new logs")
    assert [len({one.head.log for one in log}) for log in await rig.entries()] == [2, 2, 2]
    assert await asyncio.to_thread(again.stop) == 0
    # Another agent.audit: nobody goes on as if nothing were.
    await make_anew(rig.kafka, rig.prefix + "agent.audit", PARTITIONS)
    last = await rig.start(name="audit")
    assert await last.ended() == 1
    assert "what is not in the vault is lost" in last.log.read_text()
    await rig.close()


async def more(rig: AuditRig, count: int) -> bool:
    return await rig.written() == count
