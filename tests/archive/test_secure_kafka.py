"""The archive, the topics and the dead letters behind a broker that asks who one is."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.cli import kafka as looking
from headrace.events import topics
from headrace.events.settings import KafkaSettings, Settings
from headrace.producers import EventProducer
from headrace.streams import dead_letter_box, topic_admin
from headrace.streams.archive import NAME, Archive
from headrace.streams.worker_metrics import Metrics
from tests.archive.transport_behaviour import HeldSink
from tests.stack.secure_kafka import SecureKafka
from tests.support import unique, wait_until


@pytest.mark.kafka
@pytest.mark.parametrize("way", ["scram", "certificate"])
async def test_security_passes_through_to_the_archive(
    secure_kafka: SecureKafka, tmp_path: Path, way: str
) -> None:
    kafka: KafkaSettings = getattr(secure_kafka, way)
    settings = Settings(tmp_path, kafka=kafka, topic_prefix=unique() + ".", partitions=1)
    await topic_admin.apply(settings)
    sink = HeldSink()
    archive = Archive(settings, lambda _table: sink, Metrics())
    await archive.app.start()
    try:
        with EventProducer(
            kafka, tenant="t", spool_dir=tmp_path / "spool", topic_prefix=settings.topic_prefix
        ) as producer:
            producer.hook(session="s").emit("x", {})
            assert await producer.flush(timeout=30)
            await wait_until(lambda: sink.values, 60, what="the event")

        async def caught_up() -> bool:
            lags = await looking.lags(settings, NAME, topics.EVENTS)
            return len(sink.values) == 2 and looking.total_behind(lags) == 0

        await wait_until(caught_up, 60, what="all committed")
        assert await dead_letter_box.list_letters(settings) == []
    finally:
        await archive.app.stop()
