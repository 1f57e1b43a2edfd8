"""The archive as it runs: a real worker process between a broker and a local ClickHouse."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from headrace.events.settings import ClickHouseSettings, KafkaSettings, Settings
from headrace.sinks import schema
from headrace.sinks.connection import connect
from headrace.streams import topic_admin
from headrace.streams.read_to import read_to
from tests.support import unique, wait_until

PARTITIONS = 3
NOWHERE = ClickHouseSettings("http://127.0.0.1:9/headrace")
"""For a rig whose workers have nothing to do with ClickHouse."""


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    async def ended(self, timeout: float = 60) -> int:
        return await asyncio.to_thread(self.process.wait, timeout)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    async def healthy(self) -> bool:
        return (await asyncio.to_thread(self.get, "/healthz"))[0] == 200

    async def metric(self, name: str) -> float:
        """The sum over the labels."""
        _, text = await asyncio.to_thread(self.get, "/metrics")
        lines = [line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


@dataclass
class Rig:
    kafka: str
    clickhouse: ClickHouseSettings
    directory: Path
    session_timeout: float
    prefix: str = field(default_factory=lambda: unique("rig") + ".")
    tenant: str = field(default_factory=unique)
    workers: list[Worker] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    """What a worker finds in its environment beside the stack's."""
    program: str = "headrace.streams.worker"
    """The module that a worker runs."""

    @property
    def settings(self) -> Settings:
        return Settings(
            state_dir=self.directory,
            kafka=KafkaSettings(self.kafka),
            clickhouse=self.clickhouse,
            topic_prefix=self.prefix,
            partitions=PARTITIONS,
        )

    @property
    def environ(self) -> dict[str, str]:
        """What a process of this stack finds in its environment."""
        outer = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
        return outer | {
            "HEADRACE_KAFKA": self.kafka,
            "HEADRACE_CLICKHOUSE_URL": self.clickhouse.url,
            "HEADRACE_STATE_DIR": str(self.directory),
            "HEADRACE_TOPIC_PREFIX": self.prefix,
            **self.environment,
        }

    @property
    def topic(self) -> str:
        return self.prefix + "agent.events"

    async def prepare(self) -> None:
        if self.clickhouse != NOWHERE:
            await asyncio.to_thread(schema.apply, self.clickhouse)
        await topic_admin.apply(self.settings)

    async def start(self, *arguments: str, name: str = "archive") -> Worker:
        """Start a worker (``name``: its processors, with commas); it need not have joined yet."""
        log = self.directory / f"worker-{len(self.workers)}.log"
        command = [sys.executable, "-m", self.program, *name.split(",")]
        command += ["--session-timeout", str(self.session_timeout), *arguments]
        process = _spawn(command, self.environ, log)
        assert process.stdout is not None
        with process.stdout:
            ready = orjson.loads(await asyncio.to_thread(process.stdout.readline))
        assert ready["worker"] == name
        worker = Worker(process, ready["metrics_port"], log)
        self.workers.append(worker)
        return worker

    def line(self, seq: int, *, session: str = "s-1", **changes: Any) -> bytes:
        envelope = {
            "v": 1,
            "tenant": self.tenant,
            "session": session,
            "epoch": "00000000000000aa",
            "seq": seq,
            "ts": 1_764_000_000 + seq / 100,
            "type": "llm_text",
            "data": {"chunk": f"piece {seq}"},
        }
        return orjson.dumps({**envelope, **changes})

    async def produce(
        self, values: list[bytes | None], partition: int | None = None, topic: str = ""
    ) -> None:
        """Send the values round the partitions (or to one), and wait for their acknowledgement."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, linger_ms=5, acks="all")
        await producer.start()
        try:
            for number, value in enumerate(values):
                place = number % PARTITIONS if partition is None else partition
                await producer.send(topic or self.topic, value, key=b"key", partition=place)
            await producer.flush()
        finally:
            await producer.stop()

    async def read(self, topic: str) -> list[list[Any]]:
        """Read a topic whole, by partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka, enable_auto_commit=False)
        await consumer.start()
        try:
            await consumer._client._wait_on_metadata(self.prefix + topic)
            found = []
            for number in sorted(consumer.partitions_for_topic(self.prefix + topic) or ()):
                place = TopicPartition(self.prefix + topic, number)
                consumer.assign([place])
                await consumer.seek_to_beginning(place)
                ends = await consumer.end_offsets([place])
                found.append([record async for record in read_to(consumer, ends)])
            return found
        finally:
            await consumer.stop()

    async def records(self, topic: str) -> list[Any]:
        """Read a topic whole, partition by partition."""
        return [record for some in await self.read(topic) for record in some]

    async def scalar(self, sql: str) -> Any:
        def ask() -> Any:
            client = connect(self.clickhouse)
            try:
                return client.query(sql, {"tenant": self.tenant}).result_rows[0][0]
            finally:
                client.close()

        return await asyncio.to_thread(ask)

    async def rows(self) -> int:
        return int(await self.scalar("SELECT count() FROM events WHERE tenant = {tenant:String}"))

    async def archived(self, count: int, timeout: float = 60) -> None:
        """Wait until the view holds exactly so many events."""
        try:
            await wait_until(lambda: self._holds(count), timeout, what=f"{count} events archived")
        except AssertionError as error:
            text = f"{error}; {await self.rows()} are there\n{self.last_words()}"
            raise AssertionError(text) from None
        assert await self.rows() == count
        distinct = "SELECT uniqExact(session, epoch, seq) FROM events"
        assert await self.scalar(f"{distinct} WHERE tenant = {{tenant:String}}") == count

    async def _holds(self, count: int) -> bool:
        return await self.rows() >= count

    async def committed(
        self, group: str = "archive", topic: str = "agent.events"
    ) -> dict[int, int]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka,
            group_id=f"{self.prefix}headrace.{group}",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            places = [TopicPartition(self.prefix + topic, number) for number in range(PARTITIONS)]
            return {place.partition: await consumer.committed(place) or 0 for place in places}
        finally:
            await consumer.stop()

    def last_words(self) -> str:
        """The end of each worker's log."""
        return "\n".join(worker.log.read_text()[-3000:] for worker in self.workers)

    async def close(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()


class OnARig:
    """Tests of which each has a rig of its own: topics and a tenant that nobody else has."""

    rig_class: type[Rig] = Rig
    session_timeout = 6.0
    """A real Kafka takes no less; the embedded one joins sooner with less."""

    @pytest.fixture
    async def rig(
        self, kafka: str, clickhouse: ClickHouseSettings, tmp_path: Path
    ) -> AsyncIterator[Rig]:
        rig = self.rig_class(kafka, clickhouse, tmp_path, self.session_timeout)
        await rig.prepare()
        yield rig
        await rig.close()


class WithoutClickHouse(OnARig):
    """Tests whose rigs have topics and no ClickHouse."""

    @pytest.fixture
    def clickhouse(self) -> ClickHouseSettings:
        return NOWHERE


def _spawn(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as stderr:
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stderr)
