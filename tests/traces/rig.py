"""Traces as they run: events go into agent.events, spans come out in agent.spans."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from headrace.events import topics
from headrace.streams.traces.partition import Bounds, Partition
from tests.archive.rig import PARTITIONS, Rig, Worker
from tests.support import wait_until
from tests.traces.making import NOW, Session, turn

ROOT = Path(__file__).parents[2]
Spans = list[bytes]


@dataclass
class TracesRig(Rig):
    program: str = "tests.traces.worker"
    sessions: dict[str, Session] = field(default_factory=dict)
    sent: list[list[bytes]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    """By partition, all that was produced, in order."""

    def __post_init__(self) -> None:
        self.environment["PYTHONPATH"] = str(ROOT)

    async def begin(self, *arguments: str) -> Worker:
        worker = await self.start(*arguments, name="traces")
        await wait_until(worker.healthy, 60, what="healthy")
        return worker

    async def play(self, turns: int, *, again: int = 0) -> None:
        """Produce turns of a session a partition; first the last ``again`` events once more."""
        for number in range(PARTITIONS):
            session = self.sessions.setdefault(f"s{number}", Session(f"s{number}", f"{number:016}"))
            lines = self.sent[number][-again:] if again else []
            for _ in range(turns):
                lines = [*lines, *turn(session, tools=2, calls=2)]
            await self.produce_to(number, lines)

    async def produce_to(self, partition: int, lines: list[bytes]) -> None:
        self.sent[partition] += lines
        await self.produce(list(lines), partition)

    async def spans(self) -> list[Spans]:
        """What stands in agent.spans, by partition."""
        return [[one.value for one in records] for records in await self.read(topics.SPANS)]

    async def written(self) -> int:
        return sum(map(len, await self.spans()))

    def wanted(self) -> list[Spans]:
        """What comes of all that was accepted, each event once."""
        return [spans_of(lines) for lines in self.sent]

    async def agree(self, timeout: float = 60, *, copies: bool = False) -> list[Spans]:
        """Wait until agent.spans holds each span once; with ``copies``, once at least."""
        want = self.wanted()
        counts = [Counter(one) for one in want]

        async def whole() -> list[Spans] | None:
            found = await self.spans()
            pairs = zip(counts, map(Counter, found), strict=True)
            return found if all(wanted <= there for wanted, there in pairs) else None

        try:
            found = await wait_until(whole, timeout, interval=0.3, what="every span") or []
        except AssertionError as error:
            sizes = [list(map(len, one)) for one in (want, await self.spans())]
            raise AssertionError(f"{error}: {sizes}\n{self.last_words()}") from None
        if copies:
            assert [set(one) for one in found] == [set(one) for one in want]
        else:
            pairs = zip(map(Counter, found), counts, strict=True)
            doubled = [sorted((there - wanted).values()) for there, wanted in pairs]
            assert doubled == [[]] * PARTITIONS, (
                f"spans written again, by partition\n{self.last_words()}"
            )
        return found


class _Record:
    def __init__(self, offset: int, value: bytes) -> None:
        self.offset, self.value = offset, value
        self.timestamp = 0


def spans_of(lines: list[bytes]) -> Spans:
    """What a partition that was read at once gives."""
    given: Any = [_Record(offset, value) for offset, value in enumerate(lines)]
    return [one.value for one in Partition(Bounds()).take(given, NOW)]


def session_of(span: bytes) -> str:
    name: str = orjson.loads(span)["session"]
    return name
