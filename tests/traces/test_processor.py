"""What the worker does with what Kafka answers, or does not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from faust.types import TP

from headrace.events.errors import HeadraceError
from headrace.events.settings import KafkaSettings, Settings
from headrace.streams.app import remove_directory
from headrace.streams.backoff import Backoff
from headrace.streams.traces import processor as module
from headrace.streams.traces import writer
from headrace.streams.traces.link import Link, Recall
from headrace.streams.traces.made import Made, Place
from headrace.streams.traces.processor import TracesOptions, TracesProcessor
from headrace.streams.transport import RecordBatch
from headrace.streams.worker_metrics import Metrics
from tests.traces.making import NOW, Session, records, turn
from tests.traces.rig import spans_of

SESSION = Session()
LINES = [line for _ in range(4) for line in turn(SESSION, tools=2)]
AT_A_TIME = 7
PARTITION = 3


@dataclass
class MemoryLink:
    """See :class:`headrace.streams.traces.link.Link`; of one partition."""

    spans: list[tuple[Place, str, bytes]] = field(default_factory=list)
    saved: bytes | None = None
    fails_at: int = -1
    """The operation that fails: its caller does not learn whether it landed."""
    lands: bool = False
    operations: int = 0

    def _operation(self) -> bool:
        """Whether it lands."""
        self.operations += 1
        return self.operations != self.fails_at or self.lands

    def _answer(self) -> None:
        if self.operations == self.fails_at:
            raise KafkaTimeoutError

    async def need_same_logs(self) -> None:
        """They are."""

    async def load(self, _partition: int) -> tuple[dict[str, Any] | None, bool, int]:
        data = orjson.loads(self.saved) if self.saved else None
        return data, True, data["end"] if data else 0

    async def save(self, _partition: int, state: dict[str, Any], end: int) -> None:
        if self._operation():
            self.saved = orjson.dumps(state | {"end": end})
        self._answer()

    async def read(
        self, _partition: int, begin: int, recall: Recall, end: int | None = None
    ) -> int:
        self._operation()
        self._answer()
        for place, span, _ in self.spans[begin:end]:
            recall(place, span)
        return len(self.spans)

    async def write(self, _partition: int, made: Sequence[Made]) -> tuple[int, int]:
        """A record batch for each span: any of them may be the last that lands."""
        first = len(self.spans)
        for one in made:
            if self._operation():
                self.spans.append((one.place, one.id, one.value))
            self._answer()
        return first, len(self.spans)

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "Backoff", lambda: Backoff(first=0.001, longest=0.001))


class Worker:
    """A processor on a link in memory, given batches as the transport does."""

    def __init__(self, tmp_path: Path, link: MemoryLink) -> None:
        settings = Settings(state_dir=tmp_path, kafka=KafkaSettings("127.0.0.1:9"))
        self.processor = TracesProcessor(settings, Metrics(), clock=lambda: NOW)
        cast("Any", self.processor)._link = link
        cast("Any", self.processor.app)._consumer = SimpleNamespace(
            assignments=1, highwater=lambda _: len(LINES)
        )
        self.acked: list[int] = []

    async def run(self, until: int, *, save: bool) -> None:
        any_of = cast("Any", self.processor)
        starts = await any_of._starts({TP("agent.events", PARTITION)})
        offset = starts[TP("agent.events", PARTITION)]
        for batch in batches(offset, until):
            event = SimpleNamespace(value=batch, ack=lambda b=batch: self.acked.append(b.begins))
            async with any_of._working:
                await any_of._take(event)
            if save:
                await self.try_to_save()
        await any_of._settled()

    async def try_to_save(self) -> None:
        try:
            await cast("Any", self.processor)._save_all()
        except KafkaTimeoutError:
            return  # as the loop that saves does


def batches(begin: int, end: int) -> Iterator[RecordBatch]:
    given = records(LINES)
    for at in range(begin, end, AT_A_TIME):
        yield RecordBatch("agent.events", PARTITION, given[at : min(at + AT_A_TIME, end)], 0, at)


async def two_lives(tmp_path: Path, link: MemoryLink) -> list[int]:
    """One worker is killed in the middle, and another goes on."""
    return [
        *await life(tmp_path, link, until=40, save=True),
        *await life(tmp_path, link, until=len(LINES), save=False),
    ]


async def life(tmp_path: Path, link: MemoryLink, *, until: int, save: bool) -> list[int]:
    worker = Worker(tmp_path, link)
    try:
        await worker.run(until, save=save)
    except KafkaTimeoutError:  # where to begin was not known: it ends, and is started again
        assert not worker.acked
        worker = Worker(tmp_path, link)
        await worker.run(until, save=save)
    finally:
        remove_directory(worker.processor.app)
    return worker.acked


MOST = 26


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("at", range(1, MOST))
async def test_an_answer_that_does_not_come_at_any_point(
    tmp_path: Path, at: int, lands: bool
) -> None:
    link = MemoryLink(fails_at=at, lands=lands)
    await two_lives(tmp_path, link)
    assert [value for _, _, value in link.spans] == spans_of(LINES)


async def test_the_points_reach_the_end(tmp_path: Path) -> None:
    link = MemoryLink()
    acked = await two_lives(tmp_path, link)
    assert 20 < link.operations < MOST
    assert acked[-1] >= len(LINES) - AT_A_TIME


async def test_who_is_killed_before_it_has_caught_up_saves_nothing(tmp_path: Path) -> None:
    """Else its state would leave out what had been written, and the next one would not find it."""
    link = MemoryLink()
    await life(tmp_path, link, until=40, save=False)
    for until in (0, 20):
        worker = Worker(tmp_path, link)
        await worker.run(until, save=False)
        await worker.try_to_save()
        remove_directory(worker.processor.app)
        assert link.saved is None
    await life(tmp_path, link, until=len(LINES), save=True)
    assert link.saved is not None
    assert [value for _, _, value in link.spans] == spans_of(LINES)


async def test_what_agent_spans_does_not_take_ends_the_worker(tmp_path: Path) -> None:
    class Small(MemoryLink):
        async def write(self, _partition: int, made: Sequence[Made]) -> tuple[int, int]:
            raise MessageSizeTooLargeError

    worker = Worker(tmp_path, Small())
    with pytest.raises(HeadraceError, match="takes no record of that size"):
        await worker.run(len(LINES), save=False)
    assert worker.processor.failed.done()
    remove_directory(worker.processor.app)


async def test_a_state_that_was_not_written_is_not_saved(tmp_path: Path) -> None:
    """What is let go while Kafka is away is made again by whoever is next."""

    class Away(MemoryLink):
        async def write(self, _partition: int, made: Sequence[Made]) -> tuple[int, int]:
            raise KafkaTimeoutError

    link = Away()
    worker = Worker(tmp_path, link)
    any_of = cast("Any", worker.processor)
    await any_of._starts({TP("agent.events", PARTITION)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CLOSE_SECONDS", 0.05)
        event = SimpleNamespace(value=next(batches(0, len(LINES))), ack=lambda: None)
        await any_of._take(event)
        await any_of._let_go()
    assert link.saved is None
    assert not any_of._mine
    assert not worker.processor.failed.done()
    remove_directory(worker.processor.app)


async def test_what_another_writes_meanwhile_is_not_written_again(tmp_path: Path) -> None:
    """A worker that was away finds the other's spans behind its own, and leaves the rest to it."""
    link = MemoryLink()
    away = Worker(tmp_path, link)
    await away.run(40, save=True)
    await life(tmp_path, link, until=len(LINES) - 10, save=False)
    before = len(link.spans)
    await away.run(len(LINES), save=False)
    copies = len(link.spans) - len(spans_of(LINES))
    assert len(link.spans) > before
    assert 0 < copies <= len(spans_of(LINES[: 40 + AT_A_TIME])) - len(spans_of(LINES[:40]))
    assert {value for _, _, value in link.spans} == set(spans_of(LINES))
    remove_directory(away.processor.app)


async def test_a_topic_made_anew_ends_the_worker(tmp_path: Path) -> None:
    class Anew(MemoryLink):
        async def need_same_logs(self) -> None:
            raise HeadraceError("agent.spans was made anew")

    worker = Worker(tmp_path, Anew())
    inside = cast("Any", worker.processor)
    inside._options = TracesOptions(save_seconds=0.01)
    with pytest.raises(HeadraceError, match="made anew"):
        await asyncio.wait_for(inside._keep_saving(), 10)
    assert worker.processor.failed.done()
    remove_directory(worker.processor.app)


async def test_a_state_says_which_logs_it_goes_on_in(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, kafka=KafkaSettings("127.0.0.1:9"))

    def link(source: str, spans: str) -> Link:
        nobody = cast("Any", None)
        return Link(settings, nobody, nobody, (source, spans), AsyncExitStack())

    first = link("headrace-local-1/e", "headrace-local-1/s")
    assert await first.load(0) == (None, True, 0)
    await first.save(0, {"offset": 7}, 5)
    data, same, end = await first.load(0)
    assert ((data or {})["offset"], same, end) == (7, True, 5)
    _, same, end = await link("headrace-local-1/e", "headrace-local-2/s").load(0)
    assert (same, end) == (True, 0)
    _, same, end = await link("headrace-local-2/e", "headrace-local-1/s").load(0)
    assert (same, end) == (False, 5)
