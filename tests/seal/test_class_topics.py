"""What was sealed stands in the topic of its class: once, in order, whoever is killed or away."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from headrace.events.settings import ClickHouseSettings
from headrace.events.topics import class_topic
from headrace.streams import topic_admin
from headrace.streams.seal.class_link import ClassLink
from tests.archive.rig import OnARig
from tests.audit.log import leaf
from tests.seal.behaviour import unwell
from tests.seal.class_rig import ClassRig
from tests.seal.rig import CLASSES
from tests.stack.real_kafka import KafkaCluster
from tests.support import wait_until

LOG, OTHER = "0123456789abcdef-0", "fedcba9876543210-0"


class ClassTopicsBehaviour(OnARig):
    rig_class = ClassRig

    async def test_kills_put_each_leaf_into_its_classes_topic_once(self, rig: ClassRig) -> None:
        draw = random.Random(11)
        await topic_admin.apply(rig.per_class)
        for life in range(2):
            worker = await rig.start("--seal-seconds", "0.3", "--seal-leaves", "40", name="seal")
            await rig.write(150, claim=life == 1)
            # It dies wherever it is by then: behind a seal, or in the middle of the topics.
            await rig.more_seals(draw.randrange(1, 12))
            worker.kill()
        await rig.begin()
        await rig.shared_out()

    async def test_a_topic_that_is_missing_is_waited_for_and_filled(self, rig: ClassRig) -> None:
        theirs = {class_topic(one) for one in CLASSES}
        names = await rig.topics()
        assert "agent.audit" in names
        assert not theirs & names  # it is off in the settings
        worker = await rig.start("--seal-seconds", "0.3", name="seal")
        await rig.write(60)
        await rig.sealed()
        advice = "what is sealed is not in its classes' topics yet: no topic "
        await wait_until(lambda: unwell(worker, advice), 60, what="it says so")
        assert not theirs & await rig.topics()
        changes = await topic_admin.diff(rig.per_class)
        missing = {change.topic for change in changes if change.what == topic_admin.MISSING}
        assert missing == {rig.prefix + one for one in theirs}
        await topic_admin.apply(rig.per_class)
        await rig.shared_out()
        await wait_until(worker.healthy, 60, what="healthy")
        want = sum(len(one) for name in CLASSES for one in rig.wanted(name))
        assert await worker.metric("headrace_seal_class_leaves_total") == want
        # Another agent.events: other logs in the same partitions.
        former = {name: rig.wanted(name) for name in CLASSES}
        rig.begin_logs("f" * 16)
        await rig.write(60, claim=True)
        await rig.sealed()
        await wait_until(partial(self._both, rig, former), 60, what="both logs are there")
        assert await asyncio.to_thread(worker.stop) == 0
        again = await rig.begin()
        await rig.write(60)
        await rig.sealed()
        await wait_until(partial(self._both, rig, former), 60, what="and once")
        assert await asyncio.to_thread(again.stop) == 0

    async def _both(self, rig: ClassRig, former: dict[str, list[list[bytes]]]) -> bool:
        for name, logs in (await rig.there()).items():
            both = zip(former[name], rig.wanted(name), strict=True)
            found = [[record.value for record in one] for one in logs]
            if found != [[*before, *after] for before, after in both]:
                return False
        return True

    async def test_the_last_leaf_of_a_log_is_found_behind_those_of_others(
        self, rig: ClassRig
    ) -> None:
        await topic_admin.apply(rig.per_class)
        link = ClassLink(rig.settings, "test")
        await link.connect()
        try:
            assert await link.last("approval", 0, LOG, [5.0]) == -1
            for time, log, indices in (
                (10.0, LOG, (0, 1, 2)),
                (11.0, OTHER, (0, 4)),
                (12.5, LOG, (3, 7)),
                (9.0, OTHER, (5, 6)),
                (14.0, OTHER, (8,)),
            ):
                lines = [leaf(index, "0" * 64, log=log) for index in indices]
                await link.send("approval", 0, time, lines)
            for times in ([], [12.5], [12.5, 10.0], [99.0, 12.5], [99.0]):
                assert await link.last("approval", 0, LOG, times) == 7
            assert await link.last("approval", 0, OTHER, [14.0]) == 8
            assert await link.last("approval", 0, "0" * 16 + "-0", [14.0]) == -1
            assert await link.last("approval", 1, LOG, [14.0]) == -1
        finally:
            await link.close()


class TestClassTopics(ClassTopicsBehaviour):
    """On the embedded broker."""

    session_timeout = 2.0


@pytest.mark.kafka
class TestClassTopicsOnKafka(ClassTopicsBehaviour):
    """On a real Apache Kafka."""


@pytest.mark.kafka
async def test_kafka_away_and_a_topic_made_anew(
    kafka_cluster: KafkaCluster, clickhouse: ClickHouseSettings, tmp_path: Path
) -> None:
    rig = ClassRig(kafka_cluster.bootstrap, clickhouse, tmp_path, 6.0)
    await rig.prepare()
    await topic_admin.apply(rig.per_class)
    worker = await rig.begin()
    await rig.write(500)
    await rig.more_seals(1)
    await asyncio.to_thread(kafka_cluster.kill)
    await asyncio.to_thread(kafka_cluster.restart)
    await rig.write(100)
    await rig.shared_out()
    client = AIOKafkaAdminClient(bootstrap_servers=rig.kafka)
    await client.start()
    await client.delete_topics([rig.prefix + class_topic("approval")])
    await client.close()
    await rig.write(40)
    await wait_until(lambda: unwell(worker, "seal waits for its sink"), 60, what="it says so")
    await topic_admin.apply(rig.per_class)
    await rig.shared_out()
    assert worker.process.poll() is None
    await rig.close()
