"""Split the evidence off a full topic: one worker, one core.

    python benchmarks/audit_split.py [--kafka] [--rounds 3] [--events 2000000] [--json FILE]

In each round a broker is started, ``agent.events`` filled with a realistic mix of which about two
in a hundred are evidence by the shipped policy, and a worker of ``audit`` with one processor to
itself splits it, with real keys. It is timed between the first and the last entry that its /metrics
show, and what stands in ``agent.audit`` then must be what the policy selects, decrypted, in order.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
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

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

sys.path.insert(0, str(Path(__file__).parent))

from full_topic import fill, partition_of, written
from one_worker import broker, on_core, worker, yardstick
from realistic import Event, SessionEvent, mix

from headrace.events.envelope import decode
from headrace.events.settings import ClickHouseSettings, KafkaSettings, Settings
from headrace.sinks.audit.keys import ensure_local, open_keys
from headrace.sinks.audit.leaf import EVENT, opened
from headrace.streams import topic_admin
from headrace.streams.audit import policy
from headrace.streams.audit.fold import Fold
from headrace.streams.read_to import read_to

PARTITIONS = 4
USERS = 200
POLICY = policy.load()


@dataclass(frozen=True, slots=True)
class Result:
    events: int
    """That were split while the time was taken."""
    seconds: float
    cpu_seconds: float
    entries: int
    """In all."""

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.events * 1e6


def played(count: int) -> Iterator[SessionEvent]:
    """Recorded sessions, with the decision of a permission rule before each call of a tool."""
    made = 0
    for session, event in mix(count):
        if event.type == "tool_start":
            made += 1
            decision = "prompt" if made % 5 < 3 else "allow"
            data = {"tool": event.data.get("tool"), "decision": decision, "reason": "rule 7"}
            yield SessionEvent(session, Event("permission_decision", data))
        yield SessionEvent(session, event)


class Topic:
    """What was produced, and which of it is evidence, by partition."""

    def __init__(self) -> None:
        self.events = 0
        self.evidence: list[list[bytes]] = [[] for _ in range(PARTITIONS)]

    def passing(self, count: int) -> Iterator[tuple[bytes, bytes]]:
        for key, whole in written(played(count), float(int(time.time())), 120_000):
            user = int(key.rpartition(b"-")[2]) % USERS
            value = whole.replace(b'"user":"u-1"', b'"user":"u-%d"' % user, 1)
            self.events += 1
            event = decode(value)
            if POLICY.may_select(event.type) and POLICY.classify(event) is not None:
                self.evidence[partition_of(key, PARTITIONS)].append(value)
            yield key, value

    @property
    def entries(self) -> int:
        """With the policy's own, one a partition."""
        return sum(map(len, self.evidence)) + PARTITIONS


def shown(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r"^headrace_audit_entries_total\{.*\} (\S+)$", text, re.MULTILINE)
    return round(sum(map(float, found)))


def split(settings: Settings, topic: Topic, core: int) -> Result:
    with contextlib.ExitStack() as stack:
        with on_core(core):
            pid, port = stack.enter_context(worker(settings, ["--session-timeout", "6"], "audit"))
        process = psutil.Process(pid)
        began = first = used = 0.0
        while (now := shown(port)) < topic.entries:
            if now and not began:
                began, first, used = time.monotonic(), now, sum(process.cpu_times()[:2])
            time.sleep(0.5)  # every question costs the worker some milliseconds
        if not began:
            raise SystemExit("too few events to time the split")
        seconds, cpu = time.monotonic() - began, sum(process.cpu_times()[:2]) - used
        events = round(topic.events * (1 - first / topic.entries))
        return Result(events, seconds, cpu, now)


async def check(settings: Settings, topic: Topic) -> None:
    """Exit where a log is not what the policy selects, in the order of the source."""
    keys = open_keys(settings)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.need_kafka().bootstrap_servers, enable_auto_commit=False
    )
    async with consumer:
        for number, want in enumerate(topic.evidence):
            place = TopicPartition(settings.topic("agent.audit"), number)
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            fold, found = Fold(), list[bytes]()
            async for record in read_to(consumer, await consumer.end_offsets([place])):
                entry = fold.take(record)
                if entry is not None and entry.head.kind == EVENT:
                    found.append(opened(entry.leaf, keys.by_id(entry.head.key or "")))
            if found != want:
                raise SystemExit(f"log {number} has {len(found)} events, not those {len(want)}")


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
            ensure_local(settings)
            await topic_admin.apply(settings)
            topic = Topic()
            events = topic.passing(given.events)
            await fill(address, settings.topic("agent.events"), PARTITIONS, events)
            result = await asyncio.to_thread(split, settings, topic, core)
            await check(settings, topic)
            share = topic.entries / topic.events
            print(f"  {result.rate:,.0f} events/s, {result.cpu_us:.1f} us, {share:.1%} evidence")
            return result


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kafka", action="store_true", help="a real Apache Kafka")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=2_000_000, help="recorded, in the topic")
    parser.add_argument("--json", type=Path, help="also write the result here")
    given = parser.parse_args()
    rounds = []
    for number in range(given.rounds):
        print(f"round {number + 1}; yardstick {yardstick():.3f} s", flush=True)
        rounds.append(await one_round(given))
    rates = [round(one.rate) for one in rounds]
    cpu = [round(one.cpu_us, 1) for one in rounds]
    print(f"{rounds[0].entries:,} entries, all as expected")
    print(f"  events/s      {median(rates):>10,}  of {', '.join(map(str, rates))}")
    print(f"  CPU us/event  {median(cpu):>10,}  of {', '.join(map(str, cpu))}")
    if given.json:
        given.json.write_text(json.dumps({"events/s": rates, "CPU us/event": cpu}))


if __name__ == "__main__":
    asyncio.run(main())
