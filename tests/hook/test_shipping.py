"""Brokers that come, go and forget; lanes that were left; lines that were torn."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from aiokafka.errors import RequestTimedOutError
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.events.settings import KafkaSettings
from headrace.local.kafka import EmbeddedKafka
from headrace.producers import EventProducer
from headrace.producers.kafka_log import KafkaLog
from headrace.producers.lane import Checkpoint, Destination, Lane
from headrace.producers.lanes import Lanes
from headrace.producers.limits import NORMAL, Quota
from headrace.producers.memory import MemoryQueue
from headrace.producers.shipper import Shipper
from headrace.producers.sources import ERASED, Chunk, LaneSource
from headrace.producers.spool import SpoolWriter
from headrace.producers.store import Store
from headrace.producers.warn import Warnings
from tests.stack.secure_kafka import SecureKafka
from tests.support import unique, wait_until

from .log import create_topic, delete_topic, holes, identities

TOPIC = "agent.events"
HERE = Destination("agent.events", "here:1")


def event(**data: Any) -> Any:
    return SimpleNamespace(type="x", data=data)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedKafka]:
    """A broker of the test's own, to be stopped and started."""
    made = EmbeddedKafka(tmp_path / "kafka")
    (tmp_path / "kafka").mkdir()
    await made.start()
    await create_topic(made.address, TOPIC)
    yield made
    await made.stop()


@pytest.mark.parametrize("durability", ["spool", "memory"])
async def test_a_broker_that_was_away_gets_everything_after(
    broker: EmbeddedKafka, tmp_path: Path, durability: str
) -> None:
    await broker.stop()
    producer = EventProducer(
        broker.address, tenant="t", spool_dir=tmp_path / "spool", durability=durability
    )
    hook = producer.hook(session="s")
    for i in range(1000):
        hook(event(i=i))
    assert not await producer.flush(timeout=0.1)
    assert producer.report().spooled == 1000
    await broker.start()
    await create_topic(broker.address, TOPIC)
    assert await producer.flush(timeout=30)
    report = await asyncio.to_thread(producer.close)
    assert report.delivered == report.accepted == 1001
    assert len(await identities(broker.address, TOPIC)) == 1001


async def test_a_broker_that_forgot_is_sent_again_what_the_spool_keeps(
    broker: EmbeddedKafka, tmp_path: Path
) -> None:
    producer = EventProducer(broker.address, tenant="t", spool_dir=tmp_path / "spool")
    hook = producer.hook(session="s")
    for i in range(500):
        hook(event(i=i))
    assert await producer.flush(timeout=30)
    await broker.stop()
    await broker.start()
    await create_topic(broker.address, TOPIC)
    hook(event(i=500))

    async def all_there() -> bool:
        return len(await identities(broker.address, TOPIC)) == 501

    await wait_until(all_there)
    report = await asyncio.to_thread(producer.close, 20)
    assert report.delivered == report.accepted == 502
    assert holes(await identities(broker.address, TOPIC)) == {}


@pytest.mark.kafka
async def test_a_topic_that_was_made_again_is_sent_again_what_the_spool_keeps(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.producers.shipper.TOPIC_CHECK", 0.2)
    prefix = unique() + "."
    topic = prefix + TOPIC
    await create_topic(kafka, topic)
    producer = EventProducer(
        kafka, tenant="t", spool_dir=tmp_path / "spool", topic_prefix=prefix, shipper="thread"
    )
    hook = producer.hook(session="s")
    for i in range(500):
        hook(event(i=i))
    assert await producer.flush(timeout=30)
    assert len(await identities(kafka, topic)) == 500
    await delete_topic(kafka, topic)
    await create_topic(kafka, topic)

    async def all_there() -> bool:
        return len(await identities(kafka, topic)) == 500

    # Nobody says anything: the shipper finds out by itself.
    await wait_until(all_there)
    report = await asyncio.to_thread(producer.close, 20)
    assert report.delivered == report.accepted == 501
    assert holes(await identities(kafka, topic)) == {}


async def test_what_fell_back_to_memory_is_shipped_though_no_event_follows(
    broker: EmbeddedKafka, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way of a directory")
    producer = EventProducer(broker.address, tenant="t", spool_dir=tmp_path / "file" / "spool")
    producer.hook(session="s")(event())
    await wait_until(lambda: producer.report().delivered == 1)
    await asyncio.to_thread(producer.close)


@pytest.mark.kafka
@pytest.mark.parametrize("way", ["plain", "scram", "certificate"])
@pytest.mark.parametrize("shipper", ["process", "thread"])
async def test_kafka_security_passes_through(
    secure_kafka: SecureKafka, tmp_path: Path, way: str, shipper: Any
) -> None:
    kafka: KafkaSettings = getattr(secure_kafka, way)
    prefix = unique() + "."
    await create_topic(kafka, prefix + TOPIC)
    producer = EventProducer(
        kafka, tenant="t", spool_dir=tmp_path / "spool", topic_prefix=prefix, shipper=shipper
    )
    producer.hook(session="s")(event())
    assert await producer.flush(timeout=30)
    written = b"".join(p.read_bytes() for p in (tmp_path / "spool").rglob("*") if p.is_file())
    assert kafka.sasl_password is None or kafka.sasl_password.encode() not in written
    await asyncio.to_thread(producer.close)
    assert len(await identities(kafka, prefix + TOPIC)) == 2


# ── lanes ────────────────────────────────────────────────────────────────────


@lru_cache
def store_of(spool: SpoolWriter) -> Store:
    store = Store(lambda: spool, MemoryQueue(Quota(0)), Warnings())
    store.look_after(time.time())
    return store


def append(spool: SpoolWriter, line: bytes) -> None:
    assert store_of(spool).put(line, NORMAL) is None


def writer(spool_dir: Path, quota: int = 1 << 20, destination: Destination = HERE) -> SpoolWriter:
    return SpoolWriter(spool_dir, destination, "me", Quota(quota))


def read_all(source: LaneSource) -> list[bytes]:
    lines: list[bytes] = []
    while chunk := source.read():
        lines += chunk.lines
        source.acknowledge(chunk)
    return lines


def test_a_torn_last_line_is_set_aside_and_counted(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    append(spool, b'{"a":1}\n')
    os.write(spool.fd, b'{"torn')
    source = LaneSource(spool.lane, keep=0)
    assert read_all(source) == [b'{"a":1}']
    assert not source.drained()  # its writer may still come back
    spool.close()
    assert read_all(source) == []
    assert source.drained()
    assert spool.lane.checkpoint().torn == 1
    (aside,) = tmp_path.glob(".torn-*")
    assert aside.read_bytes() == b'{"torn\n'


@settings(max_examples=50)
@given(
    st.lists(st.binary(max_size=600).map(lambda b: b.replace(b"\n", b"")), max_size=60),
    st.data(),
)
def test_a_reader_that_is_killed_anywhere_reads_every_line_in_order(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: st.DataObject
) -> None:
    """Whatever is acknowledged and saved before the kill, the rest comes again; none is skipped.

    But what was erased: such a line begins with a space.
    """
    spool = writer(tmp_path_factory.mktemp("spool"), quota=1 << 15)
    for line in lines:
        append(spool, line + b"\n")
    spool.close()
    got: list[bytes] = []
    for _ in range(data.draw(st.integers(0, 3))):
        source = LaneSource(spool.lane, keep=0)
        under_way: list[Chunk] = []
        for _ in range(data.draw(st.integers(0, 6))):
            if data.draw(st.booleans()):
                chunk = source.read()
                under_way += [chunk] if chunk else []
            elif under_way:
                chunk = under_way.pop(0)
                source.acknowledge(chunk)
                got += chunk.lines
        source.close()
    source = LaneSource(spool.lane, keep=0)
    got += read_all(source)
    source.close()
    assert got == [line for line in lines if not line.startswith(ERASED)]
    assert spool.lane.checkpoint().delivered == len(lines)


class UnreliableLog:
    """In place of Kafka: keeps what it is sent, but fails as it is told to."""

    incarnation = "fake"

    def __init__(self, fails: Iterator[bool], kept: list[bytes]) -> None:
        self._fails = fails
        self._kept = kept

    async def send(self, lines: list[bytes]) -> list[asyncio.Future[None]]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if next(self._fails, False):
            done.set_exception(RequestTimedOutError())
        else:
            self._kept += lines
            done.set_result(None)
        return [done]

    async def close(self) -> None:
        """Nothing is open."""


@settings(max_examples=20)
@given(fails=st.lists(st.booleans(), max_size=12), count=st.integers(1, 200))
def test_whatever_fails_is_sent_again(
    tmp_path_factory: pytest.TempPathFactory, fails: list[bool], count: int
) -> None:
    spool = writer(tmp_path_factory.mktemp("spool"), quota=1 << 16)
    lines = [b"%d" % n + b"x" * 100 for n in range(count)]
    for line in lines:
        append(spool, line + b"\n")
    spool.close()
    kept: list[bytes] = []
    script = iter(fails)

    async def ship() -> None:
        source = LaneSource(spool.lane, keep=0)
        shipper = Shipper(
            KafkaSettings("x"), "t", lambda: [source], Warnings(), max_event_bytes=1000
        )
        stop = asyncio.Event()
        shipper.on_idle = lambda: stop.set() if source.drained() else None
        await asyncio.wait_for(shipper.run(stop), timeout=60)
        source.close()

    async def connect(*_: object) -> UnreliableLog:
        return UnreliableLog(script, kept)

    with (
        mock.patch.object(KafkaLog, "connect", connect),
        mock.patch("headrace.producers.sources.CHUNK_BYTES", 1000),
        mock.patch("headrace.producers.shipper.BACKOFF_MAX", 0.001),
    ):
        asyncio.run(ship())
    assert set(kept) == set(lines)
    assert spool.lane.checkpoint().delivered == count


async def test_every_source_is_begun_though_others_went_before() -> None:
    begun: list[str] = []

    class Come(LaneSource):
        def __init__(self) -> None:
            """A lane of nothing."""

        def begin(self, incarnation: str) -> None:
            begun.append(incarnation)

        def read(self) -> None:
            return None

    log: Any = UnreliableLog(iter(()), [])
    shipper = Shipper(KafkaSettings("x"), "t", lambda: [Come()], Warnings(), max_event_bytes=1000)
    for _ in range(100):  # each goes as the next comes, often to the same place in memory
        await shipper._round(log)
    assert begun == ["fake"] * 100


async def test_a_lane_that_cannot_be_read_does_not_hold_up_the_others(tmp_path: Path) -> None:
    broken, fine = writer(tmp_path), writer(tmp_path)
    append(fine, b"fine\n")
    append(broken, b"broken\n")
    broken.lane.segment_path(1).unlink()
    broken.lane.segment_path(1).mkdir()  # EISDIR: as unreadable to root as to anybody
    sources: list[Any] = [LaneSource(one.lane, keep=0) for one in (broken, fine)]
    kept: list[bytes] = []
    log: Any = UnreliableLog(iter(()), kept)
    shipper = Shipper(KafkaSettings("x"), "t", lambda: sources, Warnings(), max_event_bytes=1000)
    await shipper._round(log)
    assert kept == [b"fine"]
    for one in (broken, fine):
        one.close()


def test_rewind_reads_again_from_the_last_acknowledged_point(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    source = LaneSource(spool.lane, keep=0)
    for n in range(3):
        append(spool, b"%d\n" % n)
        chunk = source.read()
        assert chunk is not None
        if n == 0:
            source.acknowledge(chunk)
    source.rewind()
    assert read_all(source) == [b"1", b"2"]


def test_delivered_segments_go_and_lanes_of_the_dead_with_them(tmp_path: Path) -> None:
    spool = writer(tmp_path, quota=1 << 15)
    for _ in range(50):
        append(spool, b"x" * 300 + b"\n")
    lanes = Lanes(tmp_path, HERE, "me", keep=0)
    (source,) = lanes.sources()
    assert isinstance(source, LaneSource)
    read_all(source)
    lanes.sweep()
    assert len(spool.lane.segments()) == 1
    spool.close()
    lanes.sweep()
    assert Lane.all(tmp_path) == []
    lanes.close()


def test_what_must_be_kept_is_kept(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    append(spool, b"x\n")
    spool.close()
    lanes = Lanes(tmp_path, HERE, "next", keep=None)
    (source,) = lanes.sources()
    source.begin("headrace-local-1")
    assert isinstance(source, LaneSource)
    read_all(source)
    lanes.sweep()
    assert len(Lane.all(tmp_path)) == 1
    source.begin("headrace-local-2")
    assert read_all(source) == [b"x"]
    assert spool.lane.checkpoint().delivered == 1
    lanes.close()


def test_a_lane_is_taken_once_and_only_for_its_destination(tmp_path: Path) -> None:
    mine = writer(tmp_path)
    elsewhere = writer(tmp_path, destination=Destination("agent.events", "there:1"))
    first, second = (Lanes(tmp_path, HERE, "me", keep=0) for _ in range(2))
    other = Lanes(tmp_path, HERE, "somebody", keep=0)
    assert len(other.sources()) == 0  # its owner lives, and is not somebody's
    assert len(first.sources()) == 1
    assert len(second.sources()) == 0
    first.close()
    for spool in (mine, elsewhere):
        spool.close()


def test_a_checkpoint_that_cannot_be_read_means_from_the_start(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    (spool.lane.path / "checkpoint.json").write_bytes(b"rubbish")
    assert spool.lane.checkpoint() == Checkpoint()
    spool.close()
