"""The small parts of the archive, without a broker."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from headrace.events.errors import Poison, TooManyPoisoned
from headrace.streams import dead_letters, worker_metrics_defs
from headrace.streams.alerts.exposition import AlertsCollector
from headrace.streams.archiver import ArchiveOptions, Archiver
from headrace.streams.backoff import Backoff
from headrace.streams.dead_letters import DeadLetter, DeadLetterWriter
from headrace.streams.gather import Gatherer
from headrace.streams.limits import DeadLetterLimits, LimitGuard
from headrace.streams.metrics.exposition import PartitionsCollector
from headrace.streams.transport import RecordBatch
from headrace.streams.watchdog import StallDetector
from headrace.streams.worker_metrics import Metrics
from tests.support import wait_until

KEY = ("t", 0)


def poison(offset: int, partition: int = 0) -> Poison:
    return Poison("bad", topic="t", partition=partition, offset=offset)


def event(count: int, size: int = 10) -> Any:
    records = [SimpleNamespace(value=b"x" * size, offset=n) for n in range(count)]
    return SimpleNamespace(value=RecordBatch("t", 0, records, count * size))


class TestLimits:
    @given(st.permutations(range(5)))
    def test_neighbours_count_in_any_order(self, offsets: list[int]) -> None:
        guard = LimitGuard(DeadLetterLimits(max_consecutive=4))
        for offset in offsets[:-1]:
            guard.refused(poison(offset))
        with pytest.raises(TooManyPoisoned, match="5 records in a row") as raised:
            guard.refused(poison(offsets[-1]))
        assert raised.value.partition == 0

    @given(st.sets(st.integers(0, 200), max_size=80), st.integers(1, 20))
    def test_it_stops_just_when_a_run_is_too_long(self, offsets: set[int], longest: int) -> None:
        guard = LimitGuard(DeadLetterLimits(max_consecutive=longest))
        runs = "".join("x" if n in offsets else " " for n in range(201)).split()
        too_long = any(len(run) > longest for run in runs)
        try:
            for offset in offsets:
                guard.refused(poison(offset))
        except TooManyPoisoned:
            assert too_long
        else:
            assert not too_long

    def test_a_run_goes_on_in_the_next_write_of_its_partition_only(self) -> None:
        guard = LimitGuard(DeadLetterLimits(max_consecutive=3, min_refused=1_000))
        for offset in (8, 9):
            guard.refused(poison(offset))
        guard.written(10, [poison(8), poison(9)], {KEY: 9})
        guard.refused(poison(10, partition=1))
        guard.refused(poison(10))
        with pytest.raises(TooManyPoisoned):
            guard.refused(poison(11))

    def test_a_good_end_breaks_the_run(self) -> None:
        guard = LimitGuard(DeadLetterLimits(max_consecutive=3, min_refused=1_000))
        for offset in (6, 7, 8):
            guard.refused(poison(offset))
        guard.written(10, [], {KEY: 9})
        guard.refused(poison(10))

    def test_the_ratio_counts_a_window(self) -> None:
        limits = DeadLetterLimits(max_ratio=0.1, window=1_000, min_refused=50)
        guard = LimitGuard(limits)
        guard.written(100, [poison(n) for n in range(49)], {})  # too few to say anything
        for _ in range(10):
            guard.written(900, [], {})
        for _ in range(10):
            guard.written(100, [poison(1)] * 9, {})
        with pytest.raises(TooManyPoisoned, match="of the last"):
            guard.written(100, [poison(1)] * 60, {})


class TestGatherer:
    async def test_what_comes_together_is_one_piece(self) -> None:
        gatherer = Gatherer(linger=0.0, max_records=100, max_bytes=10_000)
        for _ in range(3):
            gatherer.put(event(10))
        gathered = await gatherer.get()
        assert (len(gathered.values), gathered.size, len(gathered.events)) == (30, 300, 3)
        batch, record = gathered.place(25)
        assert (batch, record.offset) == (gathered.batches[2], 5)

    async def test_a_trickle_waits_for_company(self) -> None:
        gatherer = Gatherer(linger=30.0, max_records=20, max_bytes=10_000)
        getting = asyncio.ensure_future(gatherer.get())
        gatherer.put(event(10))
        await asyncio.sleep(0)
        gatherer.put(event(10))
        assert len((await getting).values) == 20

    @pytest.mark.parametrize(("records", "size"), [(20, 10_000), (1_000, 200)])
    async def test_neither_more_records_nor_more_bytes(self, records: int, size: int) -> None:
        gatherer = Gatherer(linger=30.0, max_records=records, max_bytes=size)
        for _ in range(5):
            gatherer.put(event(10))
        assert len((await gatherer.get()).values) == 20

    async def test_alone_it_goes_after_the_linger(self) -> None:
        gatherer = Gatherer(linger=0.01, max_records=100, max_bytes=10_000)
        gatherer.put(event(1))
        assert len((await gatherer.get()).values) == 1


async def test_freshness_is_the_age_of_the_oldest_batch_when_it_can_be_read() -> None:
    now = 1_000.0
    metrics = Metrics()

    class Sink:
        async def write(self, values: list[Any], _refused: Any) -> int:
            nonlocal now
            now += 2.5
            return len(values)

    def arrived(value: bytes, second: float) -> Any:
        records = [SimpleNamespace(value=value, offset=0, timestamp=int(second * 1000))]
        return SimpleNamespace(value=RecordBatch("t", 0, records, 2), ack=done.set)

    done = asyncio.Event()
    archiver = Archiver(
        "t",
        cast("Any", Sink()),
        cast("Any", None),
        metrics,
        ArchiveOptions(linger=0.0),
        told=lambda: None,
        clock=lambda: now,
    )
    archiver._gatherer.put(arrived(b'{"at":1}', 995.0))
    archiver._gatherer.put(arrived(b"no event", 996.0))
    archiver._gatherer.put(arrived(b'{"ts":990.5}', 999.5))
    working = asyncio.ensure_future(archiver.work())
    await done.wait()
    await wait_until(lambda: b'batches_total{topic="t"} 1.0' in metrics.render()[0])
    working.cancel()
    text = metrics.render()[0].decode()
    assert 'headrace_archive_freshness_seconds_count{topic="t"} 1.0' in text
    assert 'headrace_archive_freshness_seconds_sum{topic="t"} 12.0' in text


async def test_a_queue_with_a_lower_limit_gets_shorter_letters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dead_letters, "Backoff", lambda: SimpleNamespace(wait=lambda: 0.0))
    kept: list[tuple[bytes, dict[str, bytes]]] = []

    class Producer:
        async def send(self, topic: str, key: Any, value: bytes, *rest: Any) -> Any:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if len(value) > 3_000:
                done.set_exception(MessageSizeTooLargeError())
            else:
                kept.append((value, dict(rest[2])))
                done.set_result(None)
            return done

    app: Any = SimpleNamespace(producer=Producer())
    writer = DeadLetterWriter(app, "queue", 10_000)
    await writer.write([DeadLetter(b"k", b"x" * 20_000, poison(7))])
    ((value, headers),) = kept
    assert value == b"x" * 2_500
    assert headers[dead_letters.WHOLE] == b"20000"


class TestStallDetector:
    def setup_method(self) -> None:
        self.now = 0.0
        self.detector = StallDetector(60, lambda: self.now)

    def check(self, done: int, end: int, *, excused: bool = False, after: float = 0) -> Any:
        self.now += after
        tp = TP("t", 0)
        return self.detector.check({tp: done}, {tp: end}, excused=excused)

    def test_a_partition_that_does_not_move_is_named(self) -> None:
        assert self.check(5, 10) is None
        assert self.check(5, 12, after=59) is None
        assert self.check(5, 12, after=1) == (TP("t", 0), 7)

    def test_moving_is_enough(self) -> None:
        for step in range(10):
            assert self.check(step, 100, after=59) is None

    def test_without_lag_there_is_nothing_to_do(self) -> None:
        for _ in range(3):
            assert self.check(10, 10, after=100) is None
        assert self.check(10, 11, after=1) is None

    def test_a_sink_that_is_away_excuses(self) -> None:
        assert self.check(5, 10) is None
        assert self.check(5, 10, excused=True, after=100) is None
        assert self.check(5, 10, after=1) is None
        assert self.check(5, 10, after=60) is not None


def test_the_backoff_doubles_up_to_its_bound() -> None:
    backoff = Backoff(first=1.0, longest=5.0, uniform=lambda _low, high: high)
    assert [backoff.wait() for _ in range(4)] == [1.0, 2.0, 4.0, 5.0]
    backoff.reset()
    assert backoff.wait() == 1.0


def test_every_metric_of_the_table_is_served_and_no_other() -> None:
    metrics = Metrics()
    metrics.register(AlertsCollector(list))
    metrics.register(PartitionsCollector(dict))
    text = metrics.render()[0].decode()
    served = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    assert {name for name in served if not name.endswith("_created")} == {
        one.name for one in worker_metrics_defs.METRICS
    }
    assert all(one.action and one.help for one in worker_metrics_defs.METRICS)
