"""From the hook to Kafka: written once, run on the embedded broker and on a real one."""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import subprocess
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.events.settings import KafkaSettings
from headrace.producers import EventProducer
from headrace.producers.hosts import ProcessHost
from headrace.producers.lane import Lane
from headrace.producers.shipping import Job, ship_lanes
from headrace.producers.sources import LaneSource
from headrace.producers.warn import Warnings
from tests.stack.real_kafka import KafkaCluster
from tests.support import unique, wait_until

from .log import create_topic, holes, identities, records

AGENT = """
import mmap, os, sys
from types import SimpleNamespace
from headrace.events.settings import KafkaSettings
from headrace.producers import EventProducer
kafka, prefix, spool_dir, counter, limit, shipper = sys.argv[1:]
shared = mmap.mmap(os.open(counter, os.O_RDWR), 8)
options = {"spool_dir": spool_dir, "topic_prefix": prefix, "shipper": shipper}
producer = EventProducer(kafka, tenant="acme", **options)
hook = producer.hook(session="s-1")
for i in range(int(limit)):
    hook(SimpleNamespace(type="llm_text", data={"i": i, "chunk": "x" * (i % 700)}))
    shared[:8] = (i + 1).to_bytes(8, "little")  # on_event has returned from this one
"""


def event(kind: str = "x", **data: Any) -> Any:
    return SimpleNamespace(type=kind, data=data)


class Place:
    """A topic and a spool of one test's own."""

    def __init__(self, kafka: str, spool_dir: Path) -> None:
        self.kafka = kafka
        self.prefix = unique() + "."
        self.topic = self.prefix + "agent.events"
        self.spool_dir = spool_dir

    def producer(self, **options: Any) -> EventProducer:
        made: dict[str, Any] = {"tenant": "acme", "spool_dir": self.spool_dir}
        return EventProducer(self.kafka, topic_prefix=self.prefix, **made | options)

    def agent(self, counter: Path, limit: int, shipper: str = "process") -> subprocess.Popen[bytes]:
        counter.write_bytes(bytes(8))
        return subprocess.Popen(
            [
                *(sys.executable, "-c", AGENT, self.kafka, self.prefix),
                *(str(self.spool_dir), str(counter), str(limit), shipper),
            ]
        )

    def job(self, producer: str = "nobody") -> Job:
        return Job(str(self.spool_dir), self.topic, producer, 900_000, 0)


@pytest.fixture
async def place(kafka: str, tmp_path: Path) -> Place:
    made = Place(kafka, tmp_path / "spool")
    await create_topic(kafka, made.topic)
    return made


def returned(counter: Path) -> int:
    with counter.open("rb") as file, mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ) as shared:
        return int.from_bytes(shared[:8], "little")


def reached(counter: Path, least: int) -> bool:
    return returned(counter) >= least


class Delivery:
    @pytest.mark.parametrize(
        "options",
        [{}, {"shipper": "thread"}, {"durability": "memory"}],
        ids=["process", "thread", "memory"],
    )
    async def test_each_event_arrives_once_and_in_order(
        self, place: Place, options: dict[str, Any]
    ) -> None:
        producer = place.producer(**options)
        for i in range(3000):
            producer.hook(session=f"s-{i % 7}")(event(i=i))
        assert await producer.flush(timeout=30)
        report = await asyncio.to_thread(producer.close)
        assert (report.accepted, report.delivered, report.spooled) == (3007, 3007, 0)
        found = await records(place.kafka, place.topic)
        assert set((await identities(place.kafka, place.topic)).values()) == {1}
        assert len(found) == 3007
        partitions = defaultdict(set)
        for record in found:
            assert f'"session":"{record.key.decode()}"'.encode() in record.value
            partitions[record.key].add(record.partition)
        assert all(len(some) == 1 for some in partitions.values())
        for partition in {record.partition for record in found}:
            mine = [r for r in found if r.partition == partition]
            by_key = defaultdict(list)
            for record in sorted(mine, key=lambda r: r.offset):
                by_key[record.key].append(record.value)
            for values in by_key.values():
                numbers = [int(v.split(b'"seq":')[1].split(b",")[0]) for v in values]
                assert numbers == sorted(numbers)

    async def test_kill_9_of_the_agent_loses_nothing_that_returned(
        self, place: Place, tmp_path: Path
    ) -> None:
        for attempt in range(3):
            counter = tmp_path / f"counter-{attempt}"
            agent = place.agent(counter, 10_000_000)
            least = 2000 * (attempt + 1)
            await wait_until(partial(reached, counter, least))
            agent.kill()
            agent.wait()
            # Whoever comes next ships what the dead one left, if its shipper has not yet.
        accepted = [returned(tmp_path / f"counter-{n}") for n in range(3)]

        async def arrived() -> bool:
            found = await identities(place.kafka, place.topic)
            return len(found) >= sum(accepted)

        await wait_until(arrived, timeout=60)
        found = await identities(place.kafka, place.topic)
        assert holes(found) == {}
        by_epoch: dict[str, int] = defaultdict(int)
        for identity in found:
            by_epoch[identity.epoch] = max(by_epoch[identity.epoch], identity.seq)
        # One event more than returned may stand there: the kill fell between its write and return.
        assert all(
            0 <= last - least <= 1
            for last, least in zip(sorted(by_epoch.values()), sorted(accepted), strict=True)
        )
        await wait_until(lambda: not Lane.all(place.spool_dir) or self.keeps_delivered)

    keeps_delivered = False
    """Whether delivered lanes stay, to be sent again to a broker that forgets."""

    async def test_kill_9_of_the_shipper_loses_nothing(self, place: Place) -> None:
        producer = place.producer()
        hook = producer.hook(session="s")
        host = producer._lane_host
        assert isinstance(host, ProcessHost)
        for round_ in range(4):
            await wait_until(lambda: runs(producer, host))
            for i in range(3000):
                hook(event(round=round_, i=i, filler="x" * 300))
            process = host._process
            assert process is not None
            process.send_signal(signal.SIGKILL)
            process.wait()
            # The five seconds between two starts are another test's.
            producer._start_at = producer._at_once()
        await wait_until(lambda: runs(producer, host))
        report = await asyncio.to_thread(producer.close, 30)
        found = await identities(place.kafka, place.topic)
        assert len(found) == report.accepted == report.delivered == 12_001
        assert holes(found) == {}

    async def test_a_kill_between_acknowledgement_and_checkpoint(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hook_made = place.producer()
        hook_made._lane_host.stop(5)
        monkeypatch.setattr(hook_made, "_look_after_hosts", lambda: None)
        hook = hook_made.hook(session="s")
        for i in range(2000):
            hook(event(i=i, filler="x" * 600))

        class Killed(BaseException):
            pass

        def killed(self: LaneSource, chunk: object) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(LaneSource, "acknowledge", killed)
            with pytest.raises(Killed):
                await self.ship(place, hook_made._id, asyncio.Event())
        before = await identities(place.kafka, place.topic)
        assert before
        stop = asyncio.Event()
        shipping = asyncio.create_task(self.ship(place, hook_made._id, stop))
        await wait_until(lambda: hook_made.report().spooled == 0)
        stop.set()
        await shipping
        after = await identities(place.kafka, place.topic)
        assert len(after) == 2000
        assert holes(after) == {}
        assert after.total() > 2000  # the same events at new offsets
        hook_made.close(0)

    async def ship(self, place: Place, producer: str, stop: asyncio.Event) -> None:
        await ship_lanes(place.job(producer), KafkaSettings(place.kafka), stop, Warnings())

    async def test_what_a_dead_process_left_is_shipped_by_the_next(
        self, place: Place, tmp_path: Path
    ) -> None:
        left = Place("127.0.0.1:9", place.spool_dir)
        left.prefix = place.prefix
        counter = tmp_path / "counter"
        agent = left.agent(counter, 500, shipper="thread")
        assert agent.wait(60) == 0
        (lane,) = Lane.all(place.spool_dir)
        about = lane.path / "lane.json"
        about.write_bytes(about.read_bytes().replace(b"127.0.0.1:9", place.kafka.encode()))
        with place.producer() as producer:
            producer.hook(session="next")(event())

            async def all_there() -> bool:
                return len(await identities(place.kafka, place.topic)) >= 502

            await wait_until(all_there)

    async def test_a_forked_child_has_epochs_of_its_own(self, place: Place) -> None:
        producer = place.producer()
        hook = producer.hook(session="s")
        for i in range(10):
            hook(event(i=i))
        child = await asyncio.to_thread(fork_and, lambda: self.in_child(producer, hook))
        assert child == 0
        for i in range(10):
            hook(event(i=i))
        report = await asyncio.to_thread(producer.close, 20)
        assert report.accepted == report.delivered == 21

        async def both() -> bool:
            return len(await identities(place.kafka, place.topic)) == 21 + 6

        await wait_until(both)
        found = await identities(place.kafka, place.topic)
        assert holes(found) == {}
        assert len({identity.epoch for identity in found}) == 2

    @staticmethod
    def in_child(producer: EventProducer, hook: Any) -> int:
        for i in range(5):
            hook(event(child=i))
        report = producer.close(20)
        return 0 if report.accepted == report.delivered == 6 else 1

    async def test_a_topic_that_is_not_there_is_waited_for_and_not_made(
        self, kafka: str, tmp_path: Path
    ) -> None:
        place = Place(kafka, tmp_path / "spool")
        producer = place.producer()
        producer.hook(session="s")(event())
        assert not await producer.flush(timeout=2)
        await create_topic(kafka, place.topic)
        assert await producer.flush(timeout=30)
        await asyncio.to_thread(producer.close)
        assert {r.partition for r in await records(kafka, place.topic)} != set()

    @pytest.mark.parametrize("limit", [1, 5000])
    async def test_a_process_that_just_ends_has_all_delivered(
        self, place: Place, tmp_path: Path, limit: int
    ) -> None:
        counter = tmp_path / "counter"
        assert place.agent(counter, limit).wait(60) == 0

        async def all_there() -> bool:
            return len(await identities(place.kafka, place.topic)) >= limit + 1

        await wait_until(all_there)
        found = [r.value for r in await records(place.kafka, place.topic)]
        assert sum(b'"headrace.epoch_end"' in value for value in found) == 1

    async def test_nothing_in_the_agents_working_directory_runs_in_the_shipper(
        self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace = tmp_path / "workspace"
        workspace.mkdir()
        trap = f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n"
        for module in ("orjson", "aiokafka", "headrace", "asyncio"):
            (workspace / f"{module}.py").write_text(trap)
        monkeypatch.chdir(workspace)
        producer = place.producer()
        producer.hook(session="s")(event())
        assert await producer.flush(timeout=30)
        await asyncio.to_thread(producer.close)
        assert not (tmp_path / "sprung").exists()


def runs(producer: EventProducer, host: ProcessHost) -> bool:
    producer._journal.check()
    return host.alive()


def fork_and(work: Any) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(work())
        except BaseException:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class TestOnEmbeddedKafka(Delivery):
    keeps_delivered = True


@pytest.mark.kafka
class TestOnRealKafka(Delivery):
    async def test_a_broker_with_a_lower_limit_gets_smaller_events(
        self, kafka: str, tmp_path: Path
    ) -> None:
        place = Place(kafka, tmp_path / "spool")
        await create_topic(kafka, place.topic, limit=50_000)
        producer = place.producer()
        hook = producer.hook(session="s")
        for i in range(20):
            hook(event(i=i, content="x" * (200_000 if i == 7 else 10)))
        report = await asyncio.to_thread(producer.close, 30)
        assert report.delivered == 21
        found = [r.value for r in await records(kafka, place.topic)]
        (cut,) = [value for value in found if b'"cut"' in value]
        assert b'"seq":8,' in cut
        assert b'"i":7' in cut
        assert len(cut) < 50_000

    async def test_kill_9_of_the_broker_loses_nothing(
        self, kafka_cluster: KafkaCluster, tmp_path: Path
    ) -> None:
        place = Place(kafka_cluster.bootstrap, tmp_path / "spool")
        await create_topic(place.kafka, place.topic)
        counter = tmp_path / "counter"
        agent = place.agent(counter, 150_000)
        try:
            for share in (1, 2):
                await wait_until(partial(reached, counter, share * 30_000))
                await asyncio.to_thread(kafka_cluster.kill)
                await wait_until(partial(reached, counter, share * 30_000 + 10_000))
                await asyncio.to_thread(kafka_cluster.restart)
            assert await asyncio.to_thread(agent.wait, 120) == 0
        finally:
            agent.kill()

        async def all_there() -> bool:
            return len(await identities(place.kafka, place.topic)) >= 150_001

        await wait_until(all_there, timeout=60, interval=1)
        assert holes(await identities(place.kafka, place.topic)) == {}


@pytest.mark.kafka3
class TestOnThreeBrokers(Delivery):
    async def test_a_leader_that_dies_loses_nothing(
        self, kafka3: KafkaCluster, tmp_path: Path
    ) -> None:
        place = Place(kafka3.bootstrap, tmp_path / "spool")
        await create_topic(place.kafka, place.topic, replication=3)
        counter = tmp_path / "counter"
        agent = place.agent(counter, 150_000)
        try:
            for node in (1, 2):
                await wait_until(partial(reached, counter, node * 40_000))
                await asyncio.to_thread(kafka3.kill, node)
                await asyncio.to_thread(kafka3.restart, node)
            assert await asyncio.to_thread(agent.wait, 120) == 0
        finally:
            agent.kill()

        async def all_there() -> bool:
            return len(await identities(place.kafka, place.topic)) >= 150_001

        await wait_until(all_there, timeout=60, interval=1)
        assert holes(await identities(place.kafka, place.topic)) == {}
