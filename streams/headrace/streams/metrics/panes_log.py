"""Writing panes to ``agent.metrics``: the latest value of each series of each pane.

The key is ``[tenant, metric, labels, start, log, partition, generation]``, the partition the
tenant's, so that whoever merges a tenant's panes reads them in one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from headrace.events.metrics import METRICS, PANE_SECONDS, WATERMARK
from headrace.streams.metrics.pane import PaneKey
from headrace.streams.metrics.partition import Told


class PanesLog:
    """Writes to one topic. For one loop."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._partitioner = DefaultPartitioner()

    async def write(self, told: Iterable[Told], log: str, partition: int) -> int:
        """Write series of panes that come from one partition of a log; how many there were.

        Returns when every in-sync replica has them. Raises KafkaError.
        """
        targets = sorted(await self._producer.partitions_for(self._topic))
        sent = []
        for one in told:
            key, value = record_of(one, log, partition)
            tenant = one.key.tenant.encode()
            target = self._partitioner(tenant, targets, targets)
            sent.append(await self._producer.send(self._topic, value, key, target))
        await asyncio.gather(*sent)
        return len(sent)

    async def write_watermark(self, at: float, log: str, partition: int, offset: int) -> None:
        """Tell every reader up to which event time (s) a partition has been read."""
        told = Told(PaneKey("", 0, 0), WATERMARK, (), 1, at, (), offset)
        key, value = record_of(told, log, partition)
        sent = [
            await self._producer.send(self._topic, value, key, target)
            for target in await self._producer.partitions_for(self._topic)
        ]
        await asyncio.gather(*sent)


def record_of(told: Told, log: str, partition: int) -> tuple[bytes, bytes]:
    """Return the record's key and value."""
    labels = dict(zip(METRICS[told.metric].labels, told.labels, strict=True))
    pane = told.key
    key = [pane.tenant, told.metric, labels, pane.start, log, partition, pane.generation]
    value = {
        "tenant": pane.tenant,
        "metric": told.metric,
        "labels": labels,
        "start": pane.start,
        "seconds": PANE_SECONDS,
        "log": log,
        "partition": partition,
        "generation": pane.generation,
        "count": told.count,
        "sum": told.sum,
        "buckets": told.buckets,
        "offset": told.offset,
    }
    return orjson.dumps(key), orjson.dumps(value)
