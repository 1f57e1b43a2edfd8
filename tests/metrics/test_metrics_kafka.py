"""The metrics on a real Kafka."""

from __future__ import annotations

import pytest

from tests.archive.rig import PARTITIONS, Rig
from tests.metrics.behaviour import MetricsBehaviour, a_line, told
from tests.stack.made_anew import make_anew
from tests.support import wait_until


@pytest.mark.kafka
class TestMetricsKafka(MetricsBehaviour):
    async def test_a_topic_that_is_made_anew_is_read_from_its_beginning(self, rig: Rig) -> None:
        worker = await rig.start(name="metrics")
        await rig.produce([a_line(rig, seq) for seq in range(1, 301)])
        await self.same(rig)
        await make_anew(rig.kafka, rig.topic, PARTITIONS)
        await rig.produce([a_line(rig, seq) for seq in range(199, 401)])  # where they were
        assert await worker.ended() == 1
        await rig.start(name="metrics")

        async def once() -> bool:
            events = [p for p in (await told(rig)).values() if p["metric"] == "agent.events"]
            return bool(sum(p["sum"] for p in events) == 400)

        await wait_until(once, 60, what="each event counted once")
