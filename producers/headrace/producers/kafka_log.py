"""The log that the shipper writes to: one Kafka topic, whole batches at a time."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.protocol.metadata import MetadataRequest

from headrace.events.envelope import SEQ_MARK
from headrace.events.settings import KafkaSettings
from headrace.events.topics import LOCAL_CLUSTER
from headrace.producers.encode import cut, encode
from headrace.producers.topic_id import topic_id_of

REQUEST_TIMEOUT_MS: Final = 15_000
"""A broker that needs longer is as good as away: the events wait in the spool."""
FRAMING: Final = 2048
"""Bytes kept free in a batch for its header, and the key and framing of a record."""
_MAX_KEYS: Final = 10_000


class KafkaLog:
    """One connection to a topic. Belongs to the event loop that it was connected in."""

    def __init__(
        self, kafka: AIOKafkaProducer, topic: str, incarnation: str, max_batch_bytes: int
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self.incarnation = incarnation
        """The cluster's id, and the topic's where the cluster gives one: another log, another
        name."""
        self._partitioner = DefaultPartitioner()
        self._partitions = sorted(kafka.client.cluster.partitions_for_topic(topic) or {0})
        self._longest = max_batch_bytes - FRAMING
        self._keys: dict[bytes, tuple[bytes, int]] = {}

    @classmethod
    async def connect(cls, settings: KafkaSettings, topic: str, max_batch_bytes: int) -> KafkaLog:
        """Connect, and learn which log it is. No batch is larger than ``max_batch_bytes``.

        Raises KafkaError or OSError where there is no broker or no such topic.
        """
        kwargs: dict[str, Any] = settings.client_kwargs() | {
            "client_id": "headrace-producer",
            "acks": "all",
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "max_batch_size": max_batch_bytes,
            "max_request_size": max_batch_bytes * 4,
        }
        kafka = AIOKafkaProducer(**kwargs)
        try:
            await _start(kafka)
            cluster_id = await cluster_id_of(kafka)
            if not cluster_id.startswith(LOCAL_CLUSTER):
                await kafka.stop()
                kafka = AIOKafkaProducer(**kwargs, enable_idempotence=True)
                await kafka.start()
            await need_topic(kafka, topic)
            await kafka.partitions_for(topic)
            incarnation = await incarnation_of(kafka, topic)
        except BaseException:
            await kafka.stop()
            raise
        return cls(kafka, topic, incarnation, max_batch_bytes)

    async def close(self) -> None:
        try:
            await asyncio.wait_for(self._kafka.stop(), timeout=5)
        except (KafkaError, OSError, asyncio.TimeoutError):
            return

    async def current_incarnation(self) -> str:
        """Ask again which log this is: its broker may have forgotten it, or somebody made it again.

        Raises KafkaError.
        """
        return await incarnation_of(self._kafka, self._topic)

    async def send(self, lines: list[bytes]) -> list[asyncio.Future[Any]]:
        """Hand lines over; the futures are done when every in-sync replica has them.

        Waits while the partition's previous batch is still being sent. Raises KafkaError.
        """
        by_partition: dict[int, list[tuple[bytes, bytes]]] = {}
        for whole in lines:
            line = whole if len(whole) <= self._longest else shortened(whole, self._longest)
            key, partition = self._route(line)
            by_partition.setdefault(partition, []).append((key, line))
        now = int(time.time() * 1000)
        sent: list[asyncio.Future[Any]] = []
        for partition, records in by_partition.items():
            sent += await self._send_partition(partition, records, now)
        return sent

    async def _send_partition(
        self, partition: int, records: list[tuple[bytes, bytes]], now: int
    ) -> list[asyncio.Future[Any]]:
        sent: list[asyncio.Future[Any]] = []
        batch = self._kafka.create_batch()
        for key, line in records:
            if batch.append(timestamp=now, key=key, value=line) is None:
                sent.append(await self._kafka.send_batch(batch, self._topic, partition=partition))
                batch = self._kafka.create_batch()
                batch.append(timestamp=now, key=key, value=line)
        batch.close()
        sent.append(await self._kafka.send_batch(batch, self._topic, partition=partition))
        return sent

    def _route(self, line: bytes) -> tuple[bytes, int]:
        """Return the record's key and partition: by session, as every Kafka client would."""
        prefix = line[: line.find(SEQ_MARK)]
        known = self._keys.get(prefix)
        if known is None:
            if len(self._keys) >= _MAX_KEYS:
                self._keys.clear()
            key = session_of(prefix)
            partition = self._partitioner(key, self._partitions, self._partitions)
            known = self._keys[prefix] = (key, partition)
        return known


def session_of(prefix: bytes) -> bytes:
    """Return the session of a line's prefix; no bytes where the line is not one of ours."""
    try:
        return str(orjson.loads(prefix + b"}")["session"]).encode()
    except (ValueError, KeyError, TypeError):
        return b""


def shortened(line: bytes, limit: int) -> bytes:
    """Cut an event's data, under its identity: the broker takes no more. Torn lines stay whole."""
    try:
        event = orjson.loads(line)
        data, _ = encode(event["data"])
        room = limit - (len(line) - len(data))
        event["data"] = orjson.loads(cut(data, max(room, 256)))
        return orjson.dumps(event)
    except (ValueError, KeyError, TypeError):
        return line[:limit]


async def _start(kafka: AIOKafkaProducer) -> None:
    """Start a client. Where no broker lets it in, the error says why, as aiokafka's log alone does.

    A wrong password would else look like a broker that is away.
    """
    thread, told = threading.get_ident(), list[str]()

    def hear(record: logging.LogRecord) -> bool:
        if record.thread == thread and record.levelno >= logging.ERROR:
            told.append(record.getMessage())
        return True

    logger = logging.getLogger("aiokafka")
    logger.filters.insert(0, hear)  # before one that keeps these reports out of the agent's log
    try:
        await kafka.start()
    except KafkaConnectionError as error:
        raise (KafkaConnectionError(told[-1]) if told else error) from None
    finally:
        logger.removeFilter(hear)


async def need_topic(kafka: AIOKafkaProducer, topic: str) -> None:
    """Raise UnknownTopicOrPartitionError where there is no such topic.

    Asked in a way that does not create it: a broker's automatic topic would have its partitions for
    life.
    """
    node = kafka.client.get_random_node()
    request = MetadataRequest([topic], allow_auto_topic_creation=False)
    response = await kafka.client.send(node, request)
    for error_code, name, *_ in response.topics:
        if name == topic and error_code == UnknownTopicOrPartitionError.errno:
            raise UnknownTopicOrPartitionError(f"no topic {topic}: run `headrace topics apply`")


async def incarnation_of(kafka: AIOKafkaProducer, topic: str) -> str:
    """Return the name of the log that the topic is now. Raises KafkaError."""
    cluster_id = await cluster_id_of(kafka)
    if cluster_id.startswith(LOCAL_CLUSTER):
        return cluster_id
    topic_id = await topic_id_of(kafka, topic)
    return f"{cluster_id}/{topic_id}" if topic_id else cluster_id


async def cluster_id_of(kafka: AIOKafkaProducer) -> str:
    """Return the cluster's id. Raises KafkaError."""
    node = kafka.client.get_random_node()
    response = await kafka.client.send(node, MetadataRequest([]))
    return str(getattr(response, "cluster_id", "") or "unnamed")
