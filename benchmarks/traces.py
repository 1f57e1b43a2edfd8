"""Make spans of a full topic: one worker, one core.

    python benchmarks/traces.py [--kafka] [--rounds 3] [--events 2000000] [--json FILE]

In each round a broker is started, ``agent.events`` filled with a realistic mix, and a worker of
``traces`` with one processor to itself makes spans of it. It is timed between the first and the
last span that its /metrics show, and what stands in ``agent.spans`` then must be each span that the
events have, once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import re
import secrets
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

sys.path.insert(0, str(Path(__file__).parent))

from full_topic import encoded, fill, partition_of
from one_worker import broker, on_core, worker, yardstick

from headrace.events.settings import ClickHouseSettings, KafkaSettings, Settings
from headrace.streams import topic_admin
from headrace.streams.read_to import read_to
from headrace.streams.traces.partition import Bounds, Partition

PARTITIONS = 4
AT_A_TIME = 2000


@dataclass(frozen=True, slots=True)
class Result:
    events: int
    """Of which spans were made while the time was taken."""
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.events * 1e6


class Topic:
    """What was produced, and which spans that makes, by partition."""

    def __init__(self) -> None:
        self.events = 0
        self.spans = 0
        self.digests: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self._states = [Partition(Bounds()) for _ in range(PARTITIONS)]
        self._left: list[list[bytes]] = [[] for _ in range(PARTITIONS)]

    def passing(self, count: int) -> Iterator[tuple[bytes, bytes]]:
        for key, value in encoded(count, float(int(time.time())), 120_000):
            number = partition_of(key, PARTITIONS)
            self.events += 1
            self._left[number].append(value)
            if len(self._left[number]) == AT_A_TIME:
                self._take(number)
            yield key, value
        for number in range(PARTITIONS):
            self._take(number)

    def _take(self, number: int) -> None:
        state, values = self._states[number], self._left[number]
        records = [
            SimpleNamespace(offset=state.offset + at, value=value, timestamp=0)
            for at, value in enumerate(values)
        ]
        self._left[number] = []
        made = state.take(records, time.time())
        self.spans += len(made)
        self.digests[number] += [digest(one.value) for one in made]


def digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=8).digest()


def shown(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r"^headrace_traces_spans_total\{.*\} (\S+)$", text, re.MULTILINE)
    return round(sum(map(float, found)))


def trace(settings: Settings, topic: Topic, core: int) -> Result:
    with contextlib.ExitStack() as stack:
        with on_core(core):
            pid, port = stack.enter_context(worker(settings, ["--session-timeout", "6"], "traces"))
        process = psutil.Process(pid)
        began = first = used = 0.0
        while (now := shown(port)) < topic.spans:
            if now and not began:
                began, first, used = time.monotonic(), now, sum(process.cpu_times()[:2])
            time.sleep(0.5)  # every question costs the worker some milliseconds
        if not began:
            raise SystemExit("too few events to time the worker")
        seconds, cpu = time.monotonic() - began, sum(process.cpu_times()[:2]) - used
        return Result(round(topic.events * (1 - first / topic.spans)), seconds, cpu)


async def check(settings: Settings, topic: Topic) -> None:
    """Exit where a span is missing, or there twice, or another."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.need_kafka().bootstrap_servers, enable_auto_commit=False
    )
    async with consumer:
        for number, want in enumerate(topic.digests):
            place = TopicPartition(settings.topic("agent.spans"), number)
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            ends = await consumer.end_offsets([place])
            found = [digest(one.value) async for one in read_to(consumer, ends)]
            if found != want:
                raise SystemExit(f"partition {number}: {len(found)} spans, not those {len(want)}")


async def one_round(given: argparse.Namespace) -> Result:
    core = max(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        async with broker(folder, real=given.kafka) as (address, _):
            settings = Settings(
                state_dir=folder,
                kafka=KafkaSettings(address),
                clickhouse=ClickHouseSettings("http://127.0.0.1:9/headrace"),
                topic_prefix=f"bench-{secrets.token_hex(4)}.",
                partitions=PARTITIONS,
            )
            await topic_admin.apply(settings)
            topic = Topic()
            events = topic.passing(given.events)
            await fill(address, settings.topic("agent.events"), PARTITIONS, events)
            result = await asyncio.to_thread(trace, settings, topic, core)
            await check(settings, topic)
            share = topic.spans / topic.events
            print(f"  {result.rate:,.0f} events/s, {result.cpu_us:.1f} us, {share:.1%} spans")
            return result


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kafka", action="store_true", help="a real Apache Kafka")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=2_000_000, help="in the topic")
    parser.add_argument("--json", type=Path, help="also write the result here")
    given = parser.parse_args()
    rounds = []
    for number in range(given.rounds):
        print(f"round {number + 1}; yardstick {yardstick():.3f} s", flush=True)
        rounds.append(await one_round(given))
    rates = [round(one.rate) for one in rounds]
    cpu = [round(one.cpu_us, 1) for one in rounds]
    print("every span once")
    print(f"  events/s      {median(rates):>10,}  of {', '.join(map(str, rates))}")
    print(f"  CPU us/event  {median(cpu):>10,}  of {', '.join(map(str, cpu))}")
    if given.json:
        given.json.write_text(json.dumps({"events/s": rates, "CPU us/event": cpu}))


if __name__ == "__main__":
    asyncio.run(main())
