"""The two things that are shipped: the lanes of a spool, and the queue in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from headrace.events.settings import KafkaSettings
from headrace.producers.condition import RESIDENT, ConditionFile
from headrace.producers.lane import Destination
from headrace.producers.lanes import ADOPT, Lanes
from headrace.producers.memory import MemoryQueue
from headrace.producers.shipper import Shipper
from headrace.producers.sources import MemorySource
from headrace.producers.warn import Warnings

PATIENCE: Final = 30.0
"""The patience of a producer's own shipper."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a shipper of lanes needs to know, beside how to reach Kafka."""

    spool_dir: str
    topic: str
    producer: str
    """Whose lanes it ships while they are still being written."""
    max_event_bytes: int
    spool_keep: float | None
    """As for LaneSource."""
    patience: float | None = PATIENCE
    """Seconds without progress, once the producer is gone, before it gives up; None: it stays, for
    what others leave, until it is told to stop."""
    condition_dir: str | None = None
    """Where it tells how it fares; None: in the spool directory."""
    former: Sequence[str] = ()
    """Addresses that the same Kafka had before: lanes that dead processes left for these, too."""
    more_topics: Sequence[str] = ()
    """Further topics whose lanes it ships, once there are any: one process serves a producer."""


def encode_job(job: Job, kafka: KafkaSettings) -> bytes:
    """Encode a job with its credentials, for a pipe to the shipper's process and nothing else."""
    fields = {
        name: getattr(kafka, name)
        for name in KafkaSettings.__dataclass_fields__
        if name not in _OBJECTS
    }
    return orjson.dumps({"job": asdict(job), "kafka": fields})


_OBJECTS: Final = ("ssl_context", "sasl_oauth_token_provider")


def fits_a_pipe(kafka: KafkaSettings) -> bool:
    """Whether another process can be told how to reach this Kafka."""
    return all(getattr(kafka, name) is None for name in _OBJECTS)


def decode_job(content: bytes) -> tuple[Job, KafkaSettings]:
    fields: dict[str, Any] = orjson.loads(content)
    return Job(**fields["job"]), KafkaSettings(**fields["kafka"])


class _Fleet:
    """The shippers of a job, one a topic, in one loop: what they have in common."""

    def __init__(self, job: Job, kafka: KafkaSettings, stop: asyncio.Event, warn: Warnings) -> None:
        self._job = job
        self._kafka = kafka
        self._stop = stop
        self._warn = warn
        self._condition = ConditionFile(
            Path(job.condition_dir or job.spool_dir), job.producer or RESIDENT
        )
        self._troubles: dict[str, str] = {}
        self._lanes: dict[str, Lanes] = {}
        self._shippers: list[Shipper] = []
        self._acknowledged = 0
        self._moved_at = time.monotonic()
        for topic in (job.topic, *job.more_topics):
            here = Destination.of(topic, kafka)
            former = [replace(here, bootstrap_servers=address) for address in job.former]
            self._lanes[topic] = Lanes(
                Path(job.spool_dir), here, job.producer, job.spool_keep, former=former
            )

    async def run(self) -> None:
        first = self._ship(self._job.topic)
        others = [self._ship_later(topic) for topic in self._job.more_topics]
        tasks = [asyncio.create_task(one) for one in (first, *others)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            for lanes in self._lanes.values():
                lanes.close()
            self._condition.close()

    async def _ship_later(self, topic: str) -> None:
        """Ship a topic from when there is a lane of it: a connection that nobody needs is none."""
        while not self._lanes[topic].sources():
            if await _is_set_within(self._stop, ADOPT):
                return
        await self._ship(topic)

    async def _ship(self, topic: str) -> None:
        shipper = Shipper(
            self._kafka,
            topic,
            self._lanes[topic].sources,
            self._warn,
            max_event_bytes=self._job.max_event_bytes,
        )
        shipper.tell = partial(self._tell, topic)
        if self._job.patience is not None:
            shipper.on_idle = partial(self._end_of_work, self._job.patience)
        self._shippers.append(shipper)
        await shipper.run(self._stop)

    def _tell(self, topic: str, trouble: str) -> None:
        self._troubles[topic] = trouble
        self._condition.tell(next(filter(None, self._troubles.values()), ""))

    def _end_of_work(self, patience: float) -> None:
        now = time.monotonic()
        acknowledged = sum(shipper.acknowledged for shipper in self._shippers)
        if acknowledged != self._acknowledged or self._serves_the_living():
            self._acknowledged, self._moved_at = acknowledged, now
        elif self._drained() or now - self._moved_at > patience:
            self._stop.set()

    def _serves_the_living(self) -> bool:
        return any(lanes.serves_the_living() for lanes in self._lanes.values())

    def _drained(self) -> bool:
        for lanes in self._lanes.values():
            lanes.adopt()  # what the producer left in its last moment
        return all(lanes.drained() for lanes in self._lanes.values())


async def ship_lanes(job: Job, kafka: KafkaSettings, stop: asyncio.Event, warn: Warnings) -> None:
    """Ship a producer's lanes and those that dead processes left.

    Returns when ``stop`` is set; or, unless the job is to stay, when the producer is gone and all
    is delivered or its patience is over.
    """
    await _Fleet(job, kafka, stop, warn).run()


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        return await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return False


async def ship_memory(
    queue: MemoryQueue,
    job: Job,
    kafka: KafkaSettings,
    stop: asyncio.Event,
    warn: Warnings,
) -> None:
    """Ship the queue in memory until ``stop`` is set."""
    source = MemorySource(queue)
    shipper = Shipper(kafka, job.topic, lambda: [source], warn, max_event_bytes=job.max_event_bytes)
    await shipper.run(stop)
