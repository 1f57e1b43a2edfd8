"""The shipper's own process: ``python -m headrace.producers.ship``, its job on standard input.

It ships the spool of the producer that started it and what dead processes left there, and ends as
:func:`headrace.producers.shipping.ship_lanes` says, or on SIGTERM. What is left then waits for the
next producer of the directory.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from headrace.producers.shipping import decode_job, ship_lanes
from headrace.producers.warn import Warnings


async def run(content: bytes) -> None:
    job, kafka = decode_job(content)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await ship_lanes(job, kafka, stop, Warnings())


if __name__ == "__main__":
    asyncio.run(run(sys.stdin.buffer.read()))
