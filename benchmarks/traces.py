"""Make spans of a full topic: one worker, one core.

    python benchmarks/traces.py [--kafka] [--rounds 3] [--events 2000000] [--json FILE]

In each round a broker is started, ``agent.events`` filled with a realistic mix, and a worker of
``traces`` with one processor to itself makes spans of it. It is timed between the first and the
last span that its /metrics show, and what stands in ``agent.spans`` then must be each span that the
events have, once.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent))

import one_core
from full_topic import encoded, held, partition_of
from one_core import PARTITIONS, Result

from headrace.events.settings import Settings
from headrace.streams.traces.partition import Bounds, Partition

AT_A_TIME = 2000


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


async def check(settings: Settings, topic: Topic) -> None:
    """Exit where a span is missing, or there twice, or another."""
    for number, want in enumerate(topic.digests):
        found = [digest(one.value) async for one in held(settings, "agent.spans", number)]
        if found != want:
            raise SystemExit(f"partition {number}: {len(found)} spans, not those {len(want)}")


async def one_round(given: argparse.Namespace) -> Result:
    topic = Topic()
    async with one_core.filled(topic.passing(given.events), real=given.kafka) as settings:
        result = await one_core.worked_off(
            settings, "traces", "headrace_traces_spans_total", topic.spans, topic.events
        )
        await check(settings, topic)
    print(f"  {result}, {topic.spans / topic.events:.1%} spans")
    return result


def main() -> None:
    given = one_core.arguments(__doc__, events="in the topic")
    results = one_core.rounds(given, one_round)
    print("every span once")
    one_core.tell(results, given.json)


if __name__ == "__main__":
    main()
