"""Split the evidence off a full topic: one worker, one core.

    python benchmarks/audit_split.py [--kafka] [--rounds 3] [--events 2000000] [--json FILE]

In each round a broker is started, ``agent.events`` filled with a realistic mix of which about two
in a hundred are evidence by the shipped policy, and a worker of ``audit`` with one processor to
itself splits it, with real keys. It is timed between the first and the last entry that its /metrics
show, and what stands in ``agent.audit`` then must be what the policy selects, decrypted, in order.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import one_core
from full_topic import held, partition_of, written
from one_core import PARTITIONS, Result
from realistic import Event, SessionEvent, mix

from headrace.events.envelope import decode
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import ensure_local, open_keys
from headrace.sinks.audit.leaf import EVENT, opened
from headrace.streams.audit import policy
from headrace.streams.audit.fold import Fold

USERS = 200
POLICY = policy.load()


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


async def check(settings: Settings, topic: Topic) -> None:
    """Exit where a log is not what the policy selects, in the order of the source."""
    keys = open_keys(settings)
    for number, want in enumerate(topic.evidence):
        fold, found = Fold(), list[bytes]()
        async for record in held(settings, "agent.audit", number):
            entry = fold.take(record)
            if entry is not None and entry.head.kind == EVENT:
                found.append(opened(entry.leaf, keys.by_id(entry.head.key or "")))
        if found != want:
            raise SystemExit(f"log {number} has {len(found)} events, not those {len(want)}")


async def one_round(given: argparse.Namespace) -> Result:
    topic = Topic()
    async with one_core.filled(topic.passing(given.events), real=given.kafka) as settings:
        ensure_local(settings)
        result = await one_core.worked_off(
            settings, "audit", "headrace_audit_entries_total", topic.entries, topic.events
        )
        await check(settings, topic)
    print(f"  {result}, {topic.entries / topic.events:.1%} evidence")
    return result


def main() -> None:
    given = one_core.arguments(__doc__, events="recorded, in the topic")
    results = one_core.rounds(given, one_round)
    print(f"{results[0].found:,} entries, all as expected")
    one_core.tell(results, given.json)


if __name__ == "__main__":
    main()
