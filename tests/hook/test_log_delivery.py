"""Log records from the handler to Kafka, on the embedded broker and on a real one."""

from __future__ import annotations

import asyncio
import logging
import mmap
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from headrace.producers import EventProducer, LogHandler
from headrace.producers.hosts import ProcessHost
from tests.support import unique, wait_until

from .log import create_topic, holes, identities, records

AGENT = """
import logging, mmap, os, sys
from headrace.producers import EventProducer, LogHandler
kafka, prefix, spool_dir, counter = sys.argv[1:]
shared = mmap.mmap(os.open(counter, os.O_RDWR), 8)
producer = EventProducer(kafka, tenant="acme", spool_dir=spool_dir, topic_prefix=prefix)
log = logging.getLogger("agentao")
log.addHandler(LogHandler(producer))
with producer.bind("s-1"):
    for i in range(10_000_000):
        log.warning("line %d %s", i, "x" * (i % 700))
        shared[:8] = (i + 1).to_bytes(8, "little")  # the logger has returned from this one
"""


class Place:
    """Two topics and a spool of one test's own."""

    def __init__(self, kafka: str, spool_dir: Path) -> None:
        self.kafka = kafka
        self.prefix = unique() + "."
        self.topic = self.prefix + "agent.logs"
        self.spool_dir = spool_dir

    def agent(self, counter: Path) -> subprocess.Popen[bytes]:
        counter.write_bytes(bytes(8))
        places = (self.kafka, self.prefix, str(self.spool_dir), str(counter))
        return subprocess.Popen([sys.executable, "-c", AGENT, *places])


@pytest.fixture
async def place(kafka: str, tmp_path: Path) -> Place:
    made = Place(kafka, tmp_path / "spool")
    await create_topic(kafka, made.topic)
    await create_topic(kafka, made.prefix + "agent.events")
    return made


def returned(counter: Path) -> int:
    with counter.open("rb") as file, mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ) as shared:
        return int.from_bytes(shared[:8], "little")


class LogDelivery:
    @pytest.mark.parametrize("durability", ["spool", "memory"])
    async def test_records_and_events_arrive_by_one_process(
        self, place: Place, durability: str
    ) -> None:
        producer = EventProducer(
            place.kafka,
            tenant="acme",
            spool_dir=place.spool_dir,
            topic_prefix=place.prefix,
            durability=durability,
        )
        handler = LogHandler(producer)
        hook = producer.hook("s-1")
        for i in range(1000):
            handler.handle(logging.makeLogRecord({"msg": f"line {i}"}))
            hook(SimpleNamespace(type="x", data={"i": i}))
        assert await producer.flush(30)
        host = producer._lane_host
        assert isinstance(host, ProcessHost)
        assert host.alive() == (durability == "spool")
        report = await asyncio.to_thread(producer.close, 30)
        logs = handler.report()
        assert (report.accepted, report.delivered) == (1001, 1001)
        assert (logs.accepted, logs.delivered, logs.spooled, logs.dropped) == (1001, 1001, 0, {})
        found = await records(place.kafka, place.topic)
        assert {record.key for record in found} == {b"unbound"}
        assert [b'"type":"log"' in record.value for record in found].count(True) == 1000
        assert len(await identities(place.kafka, place.prefix + "agent.events")) == 1001

    async def test_kill_9_of_the_agent_loses_nothing_that_returned(
        self, place: Place, tmp_path: Path
    ) -> None:
        counter = tmp_path / "counter"
        agent = place.agent(counter)
        await wait_until(partial(self._reached, counter, 3000))
        agent.kill()
        agent.wait()
        accepted = returned(counter)

        async def arrived() -> bool:
            return len(await identities(place.kafka, place.topic)) >= accepted

        await wait_until(arrived, timeout=60)
        found = await identities(place.kafka, place.topic)
        assert holes(found) == {}
        # One more may stand there: the kill fell between its write and its return.
        assert 0 <= max(identity.seq for identity in found) - accepted <= 1
        assert {identity.session for identity in found} == {"s-1"}

    @staticmethod
    def _reached(counter: Path, least: int) -> bool:
        return returned(counter) >= least


class TestOnEmbeddedKafka(LogDelivery):
    """What the local stack uses."""


@pytest.mark.kafka
class TestOnRealKafka(LogDelivery):
    """A single Apache Kafka broker."""
