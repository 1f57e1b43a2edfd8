"""The two things that are shipped: the lanes of a spool, and the queue in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson

from headrace.events.settings import KafkaSettings
from headrace.producers.condition import RESIDENT, ConditionFile
from headrace.producers.lane import Destination
from headrace.producers.lanes import Lanes
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


async def ship_lanes(job: Job, kafka: KafkaSettings, stop: asyncio.Event, warn: Warnings) -> None:
    """Ship a producer's lanes and those that dead processes left.

    Returns when ``stop`` is set; or, unless the job is to stay, when the producer is gone and all
    is delivered or its patience is over.
    """
    here = Destination.of(job.topic, kafka)
    former = [replace(here, bootstrap_servers=address) for address in job.former]
    lanes = Lanes(Path(job.spool_dir), here, job.producer, job.spool_keep, former=former)
    shipper = Shipper(kafka, job.topic, lanes.sources, warn, max_event_bytes=job.max_event_bytes)
    condition = ConditionFile(Path(job.condition_dir or job.spool_dir), job.producer or RESIDENT)
    shipper.tell = condition.tell
    if job.patience is not None:
        shipper.on_idle = _end_of_work(lanes, shipper, stop, job.patience)
    try:
        await shipper.run(stop)
    finally:
        lanes.close()
        condition.close()


def _end_of_work(
    lanes: Lanes, shipper: Shipper, stop: asyncio.Event, patience: float
) -> Callable[[], None]:
    moved_at = time.monotonic()
    acknowledged = 0

    def on_idle() -> None:
        nonlocal moved_at, acknowledged
        now = time.monotonic()
        if shipper.acknowledged != acknowledged or lanes.serves_the_living():
            acknowledged, moved_at = shipper.acknowledged, now
        elif lanes.drained() or now - moved_at > patience:
            stop.set()

    return on_idle


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
