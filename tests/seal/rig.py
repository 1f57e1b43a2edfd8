"""The worker of ``seal`` as it runs: evidence goes into agent.audit, a vault comes out."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaProducer

from headrace.events import topics
from headrace.events.identity import Identity
from headrace.sinks.audit.keys import signing
from headrace.sinks.audit.keys.opening import signing_folder
from headrace.sinks.audit.leaf import Position, Pseudonyms, event_leaf, policy_leaf
from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.sinks.audit.vault.vault import Vault, make_vault, open_vault
from headrace.sinks.connection import connect
from headrace.streams.audit.fold import CLAIM, NO_HASH, WRITER
from headrace.streams.audit.policy import load
from tests.archive.rig import PARTITIONS, Rig, Worker
from tests.seal.sealer import sealed_leaves
from tests.support import unique, wait_until

POLICY = load()
CLASSES = sorted(POLICY.classes)
TS = 1_764_000_000.25


@dataclass
class WrittenLog:
    """A log of one partition, as the split writes it: in claims, one leaf behind the other."""

    partition: int
    tenant: str
    name: str = field(default="")
    leaves: list[bytes] = field(default_factory=list)
    head: str = NO_HASH
    claim: bytes = b""

    def more(self, count: int) -> list[bytes]:
        """Make the next leaves; the first of all is the policy's."""
        made = []
        for index in range(len(self.leaves), len(self.leaves) + count):
            at = Position(self.name, index, self.head, index)
            made.append(self._leaf(at))
            self.head = leaf_hash(made[-1]).hex()
        self.leaves += made
        return made

    def _leaf(self, at: Position) -> bytes:
        if at.index == 0:
            return policy_leaf(at, ts=TS, policy=POLICY.id, text=POLICY.text)
        return event_leaf(
            at,
            ts=TS + at.index,
            policy=POLICY.id,
            audit_class=CLASSES[at.index % len(CLASSES)],
            identity=Identity(self.tenant, "s-1", f"{self.partition:016x}", at.index),
            who=Pseudonyms("ab" * 16, "cd" * 16),
            type="confirmation_resolved",
            tool="bash",
            key_id="k",
            key=bytes(32),
            value=b'{"seq":%d}' % at.index,
        )


@dataclass
class SealRig(Rig):
    """Workers that seal, and the logs that they read."""

    logs: list[WrittenLog] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begin_logs(secrets.token_hex(8))
        signing.initialise(signing_folder(self.settings), "test.example/headrace")
        make_vault(self.settings)

    def begin_logs(self, source: str) -> None:
        """Begin a log in each partition, as if agent.events were made anew."""
        self.logs = [
            WrittenLog(number, self.tenant, f"{source}-{number}") for number in range(PARTITIONS)
        ]

    @property
    def vault(self) -> Vault:
        return open_vault(self.settings)

    async def begin(self, *arguments: str) -> Worker:
        """Start a worker that seals soon, and wait until it has joined."""
        worker = await self.start("--seal-seconds", "0.3", *arguments, name="seal")
        await wait_until(worker.healthy, 60, what="healthy")
        return worker

    async def write(self, count: int, *, claim: bool = False) -> None:
        """Append leaves to each log, each twice in the topic now and then."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.kafka, acks="all", linger_ms=5, max_request_size=2_000_000
        )
        await producer.start()
        try:
            for log in self.logs:
                if claim or not log.claim:
                    log.claim = unique("claim").encode()
                    await self._send(producer, log, CLAIM + log.claim, None)
                await self._send(producer, log, b"key", *log.leaves[-2:], *log.more(count))
            await producer.flush()
        finally:
            await producer.stop()

    async def _send(
        self, producer: AIOKafkaProducer, log: WrittenLog, key: bytes, *values: bytes | None
    ) -> None:
        topic = self.prefix + topics.AUDIT
        for value in values:
            headers = [(WRITER, log.claim)] if value is not None else []
            await producer.send(topic, value, key, partition=log.partition, headers=headers)

    async def sealed(self, timeout: float = 60) -> None:
        """Wait until each log is sealed whole; then check the vault through and through."""

        def whole() -> bool:
            ends = [self.vault.last_seal(log.name) for log in self.logs]
            return [one.end if one else 0 for one in ends] == [len(one.leaves) for one in self.logs]

        try:
            await wait_until(lambda: asyncio.to_thread(whole), timeout, what="sealed")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.last_words()}") from None
        signing_keys = signing.load(signing_folder(self.settings))
        for log in self.logs:
            assert list(sealed_leaves(self.vault, signing_keys, log.name)) == log.leaves

    @property
    def vault_directory(self) -> Path:
        return self.directory / "audit" / "vault"

    def checkpoint(self, log: str) -> bytes:
        """The newest one."""
        seal = self.vault.last_seal(log)
        assert seal is not None
        return seal.checkpoint.encode()

    async def more_seals(self, count: int) -> None:
        """Wait until there are so many more in all logs, as far as there are leaves."""

        def seals() -> int:
            return sum(len(list(self.vault.seals(log.name))) for log in self.logs)

        before = await asyncio.to_thread(seals)
        await wait_until(lambda: seals() >= before + count, 60, what=f"{count} more seals")

    async def rows_are(self, want: set[str]) -> bool:
        """Whether the view shows these leaves, each once."""

        def ask() -> list[str]:
            client = connect(self.clickhouse)
            try:
                return [
                    row[0]
                    for row in client.query(
                        "SELECT leaf FROM audit WHERE log IN {logs:Array(String)}",
                        {"logs": [log.name for log in self.logs]},
                    ).result_rows
                ]
            finally:
                client.close()

        found = await asyncio.to_thread(ask)
        return len(found) == len(want) and set(found) == want
