"""The coalescing transport in a running Faust app, with a sink that the test holds."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from faust.types import TP

from headrace.events.errors import Retryable
from headrace.sinks.base import Refused, Values
from headrace.streams.archive import Archive
from headrace.streams.transport import RECORD_BYTES
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics
from tests.archive.rig import PARTITIONS, Rig, WithoutClickHouse
from tests.support import wait_until

POLL_INTERVAL = 1.0
"""Seconds after which a group would put out a consumer that does not poll."""


class HeldSink:
    """Takes what it is given, unless it is away."""

    def __init__(self) -> None:
        self.away = False
        self.values: list[bytes | None] = []
        self.tries = 0

    async def write(self, values: Values, refused: Refused) -> int:
        self.tries += 1
        if self.away:
            raise Retryable("away")
        self.values += values
        return len(values)

    async def healthy(self) -> bool:
        return not self.away

    async def close(self) -> None:
        pass


class TransportBehaviour(WithoutClickHouse):
    @pytest.fixture
    def sink(self) -> HeldSink:
        return HeldSink()

    @pytest.fixture
    async def archive(self, rig: Rig, sink: HeldSink) -> AsyncIterator[Archive]:
        tuning = Tuning(
            session_timeout_ms=int(self.session_timeout * 1000),
            max_poll_interval_ms=int(POLL_INTERVAL * 1000),
            max_buffered_bytes=20_000,
            max_fetch_bytes=10_000,
            commit_interval=0.2,
        )
        archive = Archive(rig.settings, lambda _table: sink, Metrics(), tuning=tuning)
        await archive.app.start()
        yield archive
        await archive.app.stop()

    async def test_with_full_buffers_it_stays_in_its_group(
        self, rig: Rig, archive: Archive, sink: HeldSink
    ) -> None:
        await rig.produce([rig.line(1)])
        await wait_until(lambda: sink.values, 60, what="the first event")
        generation = coordinator(archive).generation
        sink.away = True
        await rig.produce([rig.line(seq) for seq in range(2, 2002)])
        consumer: Any = archive.app.consumer
        await wait_until(lambda: consumer.buffered_bytes >= 20_000, 30, what="full buffers")
        # As many times as long as the group would bear a consumer that does not poll.
        since, idle = time.monotonic(), list[float]()

        def six_intervals() -> bool:
            idle.append(coordinator(archive)._subscription.fetcher_idle_time)
            return time.monotonic() > since + 6 * POLL_INTERVAL

        await wait_until(six_intervals, 30 * POLL_INTERVAL, what="six intervals")
        assert max(idle) < POLL_INTERVAL
        assert coordinator(archive).generation == generation
        # On top one fetch a partition: at least one of the producer's batches, which come whole.
        fetch = 16_384 + 16_384 // len(rig.line(1)) * RECORD_BYTES
        assert consumer.buffered_bytes <= 20_000 + PARTITIONS * fetch
        sink.away = False
        await wait_until(lambda: len(sink.values) >= 2001, 30, what="the rest")
        assert len(set(sink.values)) == len(sink.values) == 2001
        await wait_until(lambda: committed(rig, 2001), 30, what="all committed")
        assert consumer.buffered_bytes == 0

    async def test_records_without_a_value_fill_the_buffers_too(
        self, rig: Rig, archive: Archive, sink: HeldSink
    ) -> None:
        sink.away = True
        await rig.produce([None] * 3000, partition=0)
        consumer: Any = archive.app.consumer
        await wait_until(lambda: consumer.buffered_bytes >= 20_000, 60, what="full buffers")
        sink.away = False
        await wait_until(lambda: committed(rig, 3000), 60, what="all committed")
        assert sink.values == [None] * 3000
        assert consumer.buffered_bytes == 0

    async def test_nothing_is_committed_before_it_has_landed(
        self, rig: Rig, archive: Archive, sink: HeldSink
    ) -> None:
        sink.away = True
        await rig.produce([rig.line(seq) for seq in range(1, 31)])
        await wait_until(lambda: sink.tries > 3, 60, what="tries")
        assert await committed(rig, 0)
        assert archive.waiting_for_sink

    async def test_a_batch_that_is_lost_on_the_way_holds_the_commit(
        self, rig: Rig, archive: Archive, sink: HeldSink
    ) -> None:
        await rig.produce([rig.line(1)], partition=0)
        await wait_until(lambda: committed(rig, 1), 60, what="the first committed")
        consumer: Any = archive.app.consumer
        gatherer = archive._archivers[0]._gatherer
        take = gatherer.put
        lost: list[Any] = []
        gatherer.put = lost.append  # type: ignore[method-assign,assignment]
        await rig.produce([rig.line(2)], partition=0)
        await wait_until(lambda: lost, 30, what="the second handed out")
        gatherer.put = take  # type: ignore[method-assign]
        await rig.produce([rig.line(3)], partition=0)
        await wait_until(lambda: rig.line(3) in sink.values, 30, what="the third landed")
        await consumer.commit()
        assert await committed(rig, 1)
        # What follows every rebalance: it is read again from there.
        await consumer.perform_seek()
        await wait_until(lambda: committed(rig, 3), 30, what="all committed")
        assert rig.line(2) in sink.values

    async def test_it_seeks_where_it_fetches(
        self, rig: Rig, archive: Archive, sink: HeldSink
    ) -> None:
        # What was fetched is kept in a dictionary without a lock.
        await rig.produce([rig.line(1)], partition=0)
        await wait_until(lambda: sink.values, 60, what="the first event")
        fetcher = reader(archive)._fetcher
        fetch, seek = fetcher.fetched_records, fetcher.seek_to
        fetching, seeking = set[int](), list[int]()

        async def fetched_records(*args: Any, **kwargs: Any) -> Any:
            fetching.add(threading.get_ident())
            return await fetch(*args, **kwargs)

        def seek_to(tp: TP, offset: int) -> None:
            seeking.append(threading.get_ident())
            seek(tp, offset)

        fetcher.fetched_records, fetcher.seek_to = fetched_records, seek_to
        consumer: Any = archive.app.consumer
        consumer.rewind(TP(rig.topic, 0), 0)
        await wait_until(lambda: len(sink.values) == 2, 30, what="it once more")
        assert fetching == set(seeking)


def reader(archive: Archive) -> Any:
    thread: Any = archive.app.consumer._thread  # type: ignore[attr-defined]
    return thread._consumer


def coordinator(archive: Archive) -> Any:
    return reader(archive)._coordinator


async def committed(rig: Rig, total: int) -> bool:
    return sum((await rig.committed()).values()) == total
