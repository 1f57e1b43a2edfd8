"""A full topic through one worker that has one core to itself: filled, timed, told in rounds."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import psutil
from full_topic import fill
from one_worker import on_one_core, topics, total, worker, yardstick

from headrace.events.settings import Settings

PARTITIONS = 4
Round = TypeVar("Round")


@dataclass(frozen=True, slots=True)
class Result:
    """What one run did in one round."""

    events: int
    """That were worked off while the time was taken."""
    seconds: float
    cpu_seconds: float
    found: int
    """What was made of all events: spans, entries or sums."""

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.events * 1e6

    def __str__(self) -> str:
        return f"{self.rate:,.0f} events/s, {self.cpu_us:.1f} us"


@contextlib.asynccontextmanager
async def filled(
    events: Iterator[tuple[bytes, bytes]], *, real: bool = False
) -> AsyncIterator[Settings]:
    """Run a broker whose ``agent.events`` holds the events."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        empty = Settings(state_dir=Path(name), partitions=PARTITIONS)
        async with topics(empty, real=real) as (settings, _):
            await fill(settings, events)
            yield settings


@contextlib.contextmanager
def lone_worker(settings: Settings, name: str) -> Iterator[tuple[int, int]]:
    """Run a worker on one core; its process id and the port of its /metrics."""
    with contextlib.ExitStack() as stack:
        with on_one_core():
            running = stack.enter_context(worker(settings, ["--session-timeout", "6"], name))
        yield running


def timed(running: tuple[int, int], series: str, wanted: int, events: int) -> Result:
    """Wait until a worker's series shows what is wanted of so many events.

    Timed from the first that is shown to the last.
    """
    pid, port = running
    process = psutil.Process(pid)
    began = first = used = 0.0
    while (now := total(port, series)) < wanted:
        if now and not began:
            began, first, used = time.monotonic(), now, sum(process.cpu_times()[:2])
        time.sleep(0.5)  # every question costs the worker some milliseconds
    if not began:
        raise SystemExit("too few events to time the worker")
    seconds, cpu = time.monotonic() - began, sum(process.cpu_times()[:2]) - used
    return Result(round(events * (1 - first / wanted)), seconds, cpu, round(now))


async def worked_off(
    settings: Settings, name: str, series: str, wanted: int, events: int
) -> Result:
    """Run a worker on one core until its series shows what is wanted of so many events."""

    def run() -> Result:
        with lone_worker(settings, name) as running:
            return timed(running, series, wanted, events)

    return await asyncio.to_thread(run)


def arguments(description: str | None, events: str) -> argparse.Namespace:
    """Parse the command line. ``events`` says what their number is about."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kafka", action="store_true", help="a real Apache Kafka")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=2_000_000, help=events)
    parser.add_argument("--json", type=Path, help="also write the result here")
    return parser.parse_args()


def rounds(
    given: argparse.Namespace, one: Callable[[argparse.Namespace], Awaitable[Round]]
) -> list[Round]:
    async def all_of_them() -> list[Round]:
        found = []
        for number in range(given.rounds):
            print(f"round {number + 1}; yardstick {yardstick():.3f} s", flush=True)
            found.append(await one(given))
        return found

    return asyncio.run(all_of_them())


def figures(results: list[Result]) -> dict[str, list[float]]:
    """By name, one a round."""
    return {
        "events/s": [round(one.rate) for one in results],
        "CPU us/event": [round(one.cpu_us, 1) for one in results],
    }


def show(lines: Mapping[str, list[float]]) -> None:
    """Print the median of each figure, and what it is the median of."""
    for name, values in lines.items():
        print(f"  {name:14}{median(values):>10,}  of {', '.join(map(str, values))}")


def tell(results: list[Result], path: Path | None) -> None:
    """Print the figures of a worker's rounds, and write them to a file if there is to be one."""
    show(figures(results))
    write(figures(results), path)


def write(result: Mapping[str, Any], path: Path | None) -> None:
    if path is not None:
        path.write_text(json.dumps(result))
