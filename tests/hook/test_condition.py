"""A shipper's process has no log of its own: what is the trouble is told by the producer's."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from headrace.events.settings import KafkaSettings
from headrace.local.kafka import EmbeddedKafka
from headrace.local.ports import free_port
from headrace.producers import EventProducer, condition
from headrace.producers.condition import ConditionFile, all_living, path_of, read_living
from headrace.producers.lane import Destination
from headrace.producers.limits import Quota
from headrace.producers.shipping import Job, ship_lanes
from headrace.producers.spool import SpoolWriter
from headrace.producers.warn import Warnings
from tests.stack.secure_kafka import SecureKafka
from tests.support import unique, wait_until

from .log import create_topic

TOPIC = "agent.events"


async def heard(producer: EventProducer, caplog: pytest.LogCaptureFixture) -> str:
    """What the producer's own process warns of, as events go on."""
    hook = producer.hook(session="s")

    def warnings() -> list[str]:
        hook(SimpleNamespace(type="x", data={}))
        producer._journal.check()
        return [r.message for r in caplog.records if r.name == "headrace.producers"]

    with caplog.at_level(logging.WARNING, "headrace.producers"):
        said = await wait_until(warnings, 60)
        for _ in range(20):
            assert warnings() == said  # once a minute
    assert len(said) == 1
    return str(said[0])


async def test_kafka_that_is_away_is_warned_of_until_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = EmbeddedKafka(tmp_path, port=free_port())
    spool_dir = tmp_path / "spool"
    producer = EventProducer(broker.address, tenant="t", spool_dir=spool_dir)
    assert "Connect call failed" in await heard(producer, caplog)
    (one,) = all_living(spool_dir)
    assert "Connect call failed" in one.trouble
    assert 0 <= time.time() - one.since < 60
    assert stat.S_IMODE(path_of(spool_dir, one.name).stat().st_mode) == 0o600

    await broker.start()
    try:
        await create_topic(broker.address, TOPIC)
        await wait_until(lambda: [one.trouble for one in all_living(spool_dir)] == [""])
        await asyncio.to_thread(producer.close, 30)
    finally:
        await broker.stop()
    assert not list(spool_dir.glob(f"{condition.PREFIX}*"))


@pytest.mark.kafka
async def test_a_wrong_password_is_warned_of(
    secure_kafka: SecureKafka, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = replace(secure_kafka.plain, sasl_password="not-the-password")
    producer = EventProducer(kafka, tenant="t", spool_dir=tmp_path)
    said = await heard(producer, caplog)
    assert "AuthenticationFailed" in said
    assert "not-the-password" not in said
    await asyncio.to_thread(producer.close, 0)


async def test_a_lane_that_cannot_be_read_is_told(kafka: str, tmp_path: Path) -> None:
    topic, settings = unique(), KafkaSettings(kafka)
    await create_topic(kafka, topic)
    spool = SpoolWriter(tmp_path, Destination.of(topic, settings), "me", Quota(1 << 20))
    spool.lane.segment_path(1).unlink()
    spool.lane.segment_path(1).mkdir()  # EISDIR: as unreadable to root as to anybody
    stop = asyncio.Event()
    job = Job(str(tmp_path), topic, "me", 900_000, 0)
    shipping = asyncio.create_task(ship_lanes(job, settings, stop, Warnings()))
    await wait_until(lambda: [c.trouble for c in all_living(tmp_path) if "read" in c.trouble])
    stop.set()
    await shipping
    spool.close()


def test_since_is_when_trouble_came_whatever_it_is_called(tmp_path: Path) -> None:
    now = [1_000.0]
    told, path = ConditionFile(tmp_path, "x", lambda: now[0]), path_of(tmp_path, "x")
    for trouble, since in [("", 1000), ("a", 1001), ("b\n c", 1001), ("", 1003), ("d", 1004)]:
        told.tell(trouble)
        found = condition.read(path, lambda: 0.0)
        assert found is not None
        assert (found.trouble, found.since) == (" ".join(trouble.split()), since)
        now[0] += 1
    told.close()
    assert not path.exists()


def test_who_hangs_is_told_from_who_is_gone(tmp_path: Path) -> None:
    told, path = ConditionFile(tmp_path, "x"), path_of(tmp_path, "x")
    told.tell("")
    found = read_living(path)
    assert found is not None
    assert (found.trouble, found.hangs) == ("", False)
    long_ago = time.time() - 2 * condition.SILENCE
    os.utime(path, (long_ago, long_ago))
    found = read_living(path)
    assert found is not None
    assert found.hangs
    assert "hangs" in found.trouble
    os.close(told._fd)  # as a kill does
    assert read_living(path) is None


def test_it_is_told_again_where_the_spool_was_removed(tmp_path: Path) -> None:
    told = ConditionFile(tmp_path / "spool", "x")
    told.tell("nobody can hear")
    (tmp_path / "spool").mkdir()
    told.tell("nobody can hear")
    path_of(tmp_path / "spool", "x").unlink()
    told._beat_at = 0.0
    told.tell("nobody can hear")
    assert [one.trouble for one in all_living(tmp_path / "spool")] == ["nobody can hear"]
    told.close()
