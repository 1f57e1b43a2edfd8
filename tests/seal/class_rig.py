"""The sealer where each class has its topic, and what stands in those topics."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from headrace.events.settings import Settings
from headrace.events.topics import class_topic
from headrace.sinks.audit import leaf
from headrace.sinks.audit.leaf import POLICY
from headrace.streams.read_to import read_to
from tests.archive.rig import PARTITIONS
from tests.seal.rig import CLASSES, SealRig
from tests.support import wait_until


@dataclass
class ClassRig(SealRig):
    """Its topics are not made by :meth:`prepare`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.environment["HEADRACE_AUDIT_TOPIC_PER_CLASS"] = "yes"

    @property
    def per_class(self) -> Settings:
        audit = replace(self.settings.audit, topic_per_class=True)
        return replace(self.settings, audit=audit)

    def wanted(self, audit_class: str) -> list[list[bytes]]:
        """Return what a class's topic is to hold, by partition, as the vault has it."""
        mine = {audit_class, "policy"}
        found = []
        for log in self.logs:
            leaves = [
                one for seal in self.vault.seals(log.name) for _, one in self.vault.leaves(seal)
            ]
            found.append([one for one in leaves if leaf.read(one).audit_class in mine])
        return found

    async def shared_out(self, timeout: float = 60) -> None:
        """Wait until each class's topic has what it is to have; that is there once, in order."""
        await self.sealed()
        wanted = {name: await asyncio.to_thread(self.wanted, name) for name in CLASSES}
        assert all(map(any, wanted.values()))

        async def whole() -> bool:
            return _sizes(await self.there()) == _sizes(wanted)

        await wait_until(whole, timeout, what="each class's topic has its leaves")
        for name, logs in (await self.there()).items():
            assert [[record.value for record in one] for one in logs] == wanted[name]
            assert all(record.key == _key(record.value) for one in logs for record in one)

    async def there(self) -> dict[str, list[list[Any]]]:
        """Read the records of each class's topic, by partition."""
        places = {
            TopicPartition(self.prefix + class_topic(name), number): name
            for name in CLASSES
            for number in range(PARTITIONS)
        }
        found: dict[str, list[list[Any]]] = {
            name: [[] for _ in range(PARTITIONS)] for name in CLASSES
        }
        async with AIOKafkaConsumer(bootstrap_servers=self.kafka) as consumer:
            consumer.assign(list(places))
            await consumer.seek_to_beginning(*places)
            async for record in read_to(consumer, await consumer.end_offsets(list(places))):
                name = places[TopicPartition(record.topic, record.partition)]
                found[name][record.partition].append(record)
        return found

    async def topics(self) -> set[str]:
        """Name the topics of this rig, without its prefix."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            names = await admin.list_topics()
        finally:
            await admin.close()
        return {name[len(self.prefix) :] for name in names if name.startswith(self.prefix)}


def _key(line: bytes) -> bytes:
    head = leaf.read(line)
    return b"policy" if head.kind == POLICY else (head.session or "").encode()


def _sizes(found: dict[str, list[list[Any]]]) -> dict[str, list[int]]:
    return {name: [len(one) for one in logs] for name, logs in found.items()}
