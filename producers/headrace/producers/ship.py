"""The shipper's own process.

Without an argument, with its job on standard input, it is a producer's. It ships the
spool of the producer that started it and what dead processes left there, and ends as
:func:`headrace.producers.shipping.ship_lanes` says, or on SIGTERM. What is left then waits for the
next producer of the directory.

``python -m headrace.producers.ship SPOOL_DIR [CONDITION_DIR [ADDRESS...]]``, with Kafka from the
environment, stays, and ships what dead processes leave there: for this Kafka, and for the addresses
that it had before. It prints one line of JSON when it has started.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import orjson

from headrace.events import settings, topics
from headrace.events.errors import HeadraceError
from headrace.events.settings import KafkaSettings
from headrace.producers.shipping import Job, decode_job, ship_lanes
from headrace.producers.warn import Warnings


async def ship(job: Job, kafka: KafkaSettings) -> None:
    """Ship until the job is done or the process is told to stop."""
    _give_way()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if job.patience is None:
        sys.stdout.write(orjson.dumps({"shipper": job.spool_dir}).decode() + "\n")
        sys.stdout.flush()
    await ship_lanes(job, kafka, stop, Warnings())


def _give_way() -> None:
    """Take a processor that is free, never the agent's the moment that there is something to ship.

    A batch process has its fair share and no more delay than the agent's time slice; where the
    system does not know of such, as it is.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def from_environment(
    spool_dir: str, condition_dir: str | None = None, *former: str
) -> tuple[Job, KafkaSettings]:
    """Return the job of a shipper that stays. Raises :class:`SettingsError`."""
    found = settings.load()
    job = Job(
        spool_dir=str(Path(spool_dir).absolute()),
        topic=found.topic(topics.EVENTS),
        more_topics=(found.topic(topics.LOGS),),
        producer="",
        max_event_bytes=found.max_event_bytes,
        spool_keep=None,
        patience=None,
        condition_dir=condition_dir,
        former=former,
    )
    return job, found.need_kafka()


def main(arguments: list[str]) -> int:
    try:
        job, kafka = (
            from_environment(*arguments) if arguments else decode_job(sys.stdin.buffer.read())
        )
        asyncio.run(ship(job, kafka))
    except HeadraceError as error:
        sys.stderr.write(f"headrace: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
