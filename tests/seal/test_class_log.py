"""What of a log goes where: whoever dies at any send, and whatever topic is away or made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.events.errors import Retryable
from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.vault import segment
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.seal import Seal
from headrace.sinks.audit.vault.segment import SealedLeaf
from headrace.sinks.audit.vault.vault import Vault
from headrace.streams.seal.class_topics import ClassTopics
from headrace.streams.worker_metrics import Metrics
from tests.audit.log import LOG
from tests.seal.sealer import DiedError
from tests.seal.signing import Signing
from tests.seal.written import DAYS, SEALED_AT, written

CLASSES = ("approval", "access", "policy")
OTHER = "fedcba9876543210-3"
DAY = 86_400.0


@dataclass
class MemoryTopics:
    """Topics of one partition each, and the connections of one life to them."""

    records: dict[str, list[tuple[float, bytes]]] = field(
        default_factory=lambda: {name: [] for name in CLASSES}
    )
    away: set[str] = field(default_factory=set)
    made: dict[str, int] = field(default_factory=dict)
    fails_at: int = -1
    """The send of this number fails, with ``share`` of its leaves written."""
    share: int = 0
    fault: Exception = field(default_factory=DiedError)
    sends: int = 0

    async def connect(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def classes(self) -> set[str]:
        return set(self.records)

    async def incarnation(self, audit_class: str) -> str:
        if audit_class in self.away:
            raise Retryable("away")
        return str(self.made.get(audit_class, 0))

    async def last(self, audit_class: str, partition: int, log: str, times: Iterable[float]) -> int:
        """As a broker: what was written since each time, one after the other."""
        assert partition == 3
        records = self.records[audit_class]
        for time in [*times, 0.0]:
            begin = next((at for at, one in enumerate(records) if one[0] >= time), len(records))
            found = [leaves.read(line) for _, line in records[begin:]]
            if mine := [head.index for head in found if head.log == log]:
                return max(mine)
        return -1

    async def send(
        self, audit_class: str, partition: int, sealed_at: float, lines: Sequence[bytes]
    ) -> None:
        assert partition == 3
        self.sends += 1
        fails = self.sends == self.fails_at
        for line in lines[: self.share] if fails else lines:
            self.records[audit_class].append((sealed_at, line))
        if fails:
            raise self.fault

    def of(self, audit_class: str, log: str) -> list[bytes]:
        found = [line for _, line in self.records[audit_class]]
        return [line for line in found if leaves.read(line).log == log]


def life(vault: Vault, topics: MemoryTopics, now: float = SEALED_AT) -> ClassTopics:
    return ClassTopics(vault, topics, DAYS, Metrics(), clock=lambda: now)  # type: ignore[arg-type]


def share(every: list[bytes], audit_class: str) -> list[bytes]:
    return [one for one in every if leaves.read(one).audit_class in {audit_class, "policy"}]


def leave(vault: Vault, every: list[bytes], first: int, end: int) -> None:
    """What a sealer wrote that died before its seal."""
    members = [SealedLeaf(one, b"", leaves.read(one).audit_class, None) for one in every[first:end]]
    if members:
        segment.write(vault.place, segment.make(LOG, first, members, SEALED_AT))


@settings(max_examples=30)
@given(st.data())
def test_any_deaths_any_topics_away_or_made_anew_give_each_leaf_once(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    vault = Vault(DirectoryPlace(tmp_path_factory.mktemp("vault")))
    sizes = st.lists(st.integers(1, 5), min_size=1, max_size=5)
    classes = st.permutations([*CLASSES, "approval"])
    logs = {
        name: written(
            vault.place, Signing(), data.draw(sizes), log=name, classes=data.draw(classes)
        )
        for name in (LOG, OTHER)
    }
    for first, count in data.draw(
        st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=2)
    ):
        leave(vault, logs[LOG], first, first + count)
    seals = {name: list(vault.seals(name)) for name in logs}
    topics, told = MemoryTopics(), dict.fromkeys(logs, 0)
    running: ClassTopics | None = None

    def tell(to: ClassTopics, name: str, more: int) -> None:
        told[name] = min(told[name] + more, len(seals[name]))
        newest: Sequence[Seal] = seals[name][: told[name]]
        if newest:
            to.tell(newest[-1])

    steps = st.tuples(
        st.sampled_from(["go", "die", "fail", "away", "back", "anew", "doubt"]),
        st.sampled_from([LOG, OTHER]),
        st.integers(0, 3),
        st.sampled_from(CLASSES),
    )
    for what, name, number, audit_class in data.draw(st.lists(steps, max_size=14)):
        if running is None:
            running = life(vault, topics)
            for one in logs:
                tell(running, one, 0)
        tell(running, name, number)
        if what == "away":
            topics.away.add(audit_class)
        elif what == "doubt":
            running.doubt(3)
        elif what == "back":
            topics.away.discard(audit_class)
        elif what == "anew":
            topics.records[audit_class].clear()
            topics.made[audit_class] = topics.made.get(audit_class, 0) + 1
        topics.fails_at = topics.sends + 1 + number if what in {"die", "fail"} else -1
        topics.fault = DiedError() if what == "die" else KafkaError()
        topics.share = number
        try:
            asyncio.run(running._catch_up())
        except DiedError:
            running = None
        for one in logs:
            for each in CLASSES:
                found = topics.of(each, one)
                assert found == share(logs[one], each)[: len(found)]
    topics.away.clear()
    topics.fails_at = -1
    last = running or life(vault, topics)
    for one in logs:
        tell(last, one, 99)
    # A topic that was made anew is noticed by the first pass and filled by the next.
    trouble = [asyncio.run(last._catch_up()) for _ in range(len(CLASSES) + 1)]
    assert trouble[-1] is None
    for one, every in logs.items():
        for each in CLASSES:
            assert topics.of(each, one) == share(every, each)


async def test_a_topic_that_is_away_holds_up_no_other(tmp_path: Path) -> None:
    vault = Vault(DirectoryPlace(tmp_path))
    every = written(vault.place, Signing(), [3, 3], classes=CLASSES)
    topics = MemoryTopics(away={"access"})
    running = life(vault, topics)
    for seal in vault.seals(LOG):
        running.tell(seal)
        assert await running._catch_up() == "away"
    assert topics.of("approval", LOG) == share(every, "approval")
    assert topics.of("access", LOG) == []


async def test_what_fell_due_is_written_to_no_topic(tmp_path: Path) -> None:
    vault = Vault(DirectoryPlace(tmp_path))
    every = written(vault.place, Signing(), [6], classes=CLASSES)
    (seal,) = vault.seals(LOG)
    topics = MemoryTopics()
    running = life(vault, topics, now=SEALED_AT + 91 * DAY)
    running.tell(seal)
    assert await running._catch_up() is None
    assert topics.of("approval", LOG) == []
    assert topics.of("access", LOG) == share(every, "access")
    assert topics.of("policy", LOG) == share(every, "policy")


async def test_who_lets_a_partition_go_writes_no_more_of_it(tmp_path: Path) -> None:
    vault = Vault(DirectoryPlace(tmp_path))
    written(vault.place, Signing(), [6], classes=CLASSES)
    (seal,) = vault.seals(LOG)
    topics = MemoryTopics()
    running = life(vault, topics)
    running.tell(seal)
    running.forget(3)
    assert await running._catch_up() is None
    assert topics.sends == 0
