"""The coalescing transport on a real Kafka, and what the embedded broker does not have."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from headrace.streams.archive import Archive
from tests.archive.rig import Rig
from tests.archive.transport_behaviour import HeldSink, TransportBehaviour
from tests.support import unique, wait_until


@pytest.mark.kafka
class TestTransportKafka(TransportBehaviour):
    async def test_aborted_transactions_are_passed_over(
        self, rig: Rig, archive: Archive, sink: HeldSink
    ) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=rig.kafka, transactional_id=unique())
        await producer.start()
        try:
            for start, ends in ((1, "commit"), (101, "abort"), (201, "commit"), (301, "abort")):
                await producer.begin_transaction()
                for seq in range(start, start + 100):
                    await producer.send(rig.topic, rig.line(seq), partition=0)
                if ends == "commit":
                    await producer.commit_transaction()
                else:
                    await producer.abort_transaction()
        finally:
            await producer.stop()
        await wait_until(lambda: len(sink.values) >= 200, 60, what="the committed events")
        expected = [rig.line(seq) for seq in (*range(1, 101), *range(201, 301))]
        assert sink.values == expected
        consumer = archive.app.consumer
        tp = TP(rig.topic, 0)
        # 400 records and four markers: past the last event nothing is anybody's.
        highwaters = await consumer.highwaters(tp)
        assert highwaters[tp] == 404
        await wait_until(lambda: consumer.progress(tp) == 404, 30, what="no lag")  # type: ignore[attr-defined]
        await wait_until(lambda: _committed(rig), 30, what="committed")


async def _committed(rig: Rig) -> bool:
    return (await rig.committed())[0] == 302  # behind the last event; a marker comes next
