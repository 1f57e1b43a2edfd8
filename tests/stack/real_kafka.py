"""A real Apache Kafka (KRaft) on loopback, of one broker or three, that tests may kill.

Fixtures: ``real_kafka`` (bootstrap servers, from ``KAFKA_BOOTSTRAP_SERVERS`` where that is set),
``kafka_cluster`` (one broker of the test's own, to kill) and ``kafka3`` (three brokers).
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from headrace.local.background import BackgroundLoop
from headrace.local.child import Child
from headrace.local.kafka import cluster_id
from headrace.local.ports import free_port
from tests.stack.kafka_jars import jars, program
from tests.support import wait_until

_READY_WITHIN_S = 120.0
"""A JVM comes up in 3 s on an idle machine; three of them beside other tests take far longer."""


@dataclass
class Broker:
    """One node: broker and controller in one process."""

    node: int
    port: int
    controller_port: int
    directory: Path
    child: Child | None = None
    extra: dict[str, str] = field(default_factory=dict)
    """Properties that win over the usual ones."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.directory / "server.properties"


class KafkaCluster:
    """A cluster of ``size`` brokers. The methods block; from a coroutine use ``to_thread``."""

    def __init__(self, directory: Path, size: int = 1) -> None:
        self.cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        self._loop = BackgroundLoop("kafka cluster")
        self.brokers = [
            Broker(node, free_port(), free_port(), directory / str(node))
            for node in range(1, size + 1)
        ]

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.address for broker in self.brokers)

    def start(self, *format_options: str) -> None:
        """Format the stores, start all brokers and wait until they serve."""
        for broker in self.brokers:
            broker.directory.mkdir(parents=True)
            _write_config(broker, self.brokers)
            self._format(broker, format_options)
        self._loop.run(self._start(self.brokers))

    def kill(self, node: int = 1) -> None:
        """``kill -9`` a broker, and wait until it is gone."""
        child = self._broker(node).child
        assert child is not None
        child.signal(signal.SIGKILL)
        self._loop.run(child.wait())

    def restart(self, node: int = 1) -> None:
        """Start a broker that was killed, on its old store, and wait until it serves."""
        self._loop.run(self._start([self._broker(node)]))

    def close(self) -> None:
        for broker in self.brokers:
            if broker.child is not None:
                self._loop.run(broker.child.kill())  # nobody needs its data any more
        self._loop.close()

    def _broker(self, node: int) -> Broker:
        return self.brokers[node - 1]

    def _format(self, broker: Broker, options: tuple[str, ...]) -> None:
        command = [*_java(broker), "kafka.tools.StorageTool", "format"]
        command += [f"--cluster-id={self.cluster_id}", "-c", str(broker.config), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    async def _start(self, brokers: list[Broker]) -> None:
        for broker in brokers:
            broker.child = await Child.start(
                f"broker-{broker.node}",
                [*_java(broker), "kafka.Kafka", str(broker.config)],
                env=os.environ,
                log=broker.directory / "output.log",
                cwd=broker.directory,
            )
        await asyncio.gather(*(self._ready(broker) for broker in brokers))

    async def _ready(self, broker: Broker) -> None:
        async def serves() -> bool:
            child = broker.child
            assert child is not None
            assert child.returncode is None, child.last_words()
            return await _knows_of(broker.address, len(self.brokers), self.cluster_id)

        await wait_until(serves, _READY_WITHIN_S, interval=0.2, what=f"broker {broker.node}")


async def _knows_of(address: str, size: int, expected: str) -> bool:
    """Whether the broker answers, and sees itself and the others in the cluster.

    At the first start of a cluster of three, topics with three replicas need all three.
    """
    if await cluster_id(address) != expected:  # asked first, since it is silent about failures
        return False
    admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=5000)
    try:
        await asyncio.wait_for(admin.start(), 10.0)
        answer = await asyncio.wait_for(admin.describe_cluster(), 10.0)
    except (KafkaError, OSError, asyncio.TimeoutError):
        return False
    finally:
        await admin.close()
    return len(answer["brokers"]) == size


def _java(broker: Broker) -> list[str]:
    heap = ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    logs = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    return [program("java"), *heap, *logs, "-cp", f"{jars()}/*"]


def _write_config(broker: Broker, brokers: list[Broker]) -> None:
    copies = str(len(brokers))
    voters = ",".join(f"{b.node}@127.0.0.1:{b.controller_port}" for b in brokers)
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(broker.node),
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{broker.address},CONTROLLER://127.0.0.1:{broker.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{broker.address}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(broker.directory / "data"),
        # What headrace needs it creates: a typing error must not make a topic.
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": str(len(brokers) // 2 + 1),
        "min.insync.replicas": str(len(brokers) // 2 + 1),
        "default.replication.factor": copies,
        # Tests start and end many groups: joining need not wait for more members.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
    } | broker.extra
    broker.config.write_text("".join(f"{k}={v}\n" for k, v in properties.items()))


def password() -> str:
    """Draw a password without characters that Kafka's JAAS syntax would read."""
    return secrets.token_hex(16)


@pytest.fixture(scope="session")
def real_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Kafka that nobody kills; topics need names of one's own."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        yield given
        return
    cluster = KafkaCluster(tmp_path_factory.mktemp("real-kafka"))
    try:
        cluster.start()
        yield cluster.bootstrap
    finally:
        cluster.close()


@pytest.fixture
def kafka_cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """One broker of the test's own: ``kill()`` and ``restart()`` it. Mark the test ``kafka``."""
    cluster = KafkaCluster(tmp_path / "kafka")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="module")
def kafka3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Three brokers, for the tests of a module. Restart what you kill. Mark it ``kafka3``."""
    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka3"), 3)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()
