"""A worker's time with a partition: whatever Kafka answers, or does not."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from headrace.events.errors import HeadraceError, Retryable
from headrace.events.settings import KafkaSettings, Settings
from headrace.streams.audit import duty as module
from headrace.streams.audit.duty import Duty, Tools
from headrace.streams.audit.fold import Entry
from headrace.streams.audit.link import Incarnations, Link
from headrace.streams.audit.partition import Bounds
from headrace.streams.backoff import Backoff
from headrace.streams.states import FileStates
from headrace.streams.transport import RecordBatch
from headrace.streams.worker_metrics import Metrics
from tests.audit.keys import DerivedKeys
from tests.audit.log import Record, accepted
from tests.audit.memory_link import MemoryLink
from tests.audit.sources import POLICIES, evidence, expected, line, policies_of, source
from tests.support import wait_until

SOURCE = source([line(seq, "stu"[seq % 3]) for seq in (*range(1, 13), *range(4, 20))])
AT_A_TIME = 3


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OVERTAKEN_SECONDS", 0.01)
    monkeypatch.setattr(module, "Backoff", lambda: Backoff(first=0.01, longest=0.01))


class Worker:
    """One duty, fed from where it wants to read."""

    def __init__(self, link: MemoryLink, keys: DerivedKeys, records: Sequence[Record]) -> None:
        async def linked() -> Link:
            return cast("Link", link)

        self.metrics = Metrics()
        self._records = records
        tools = Tools(
            linked,
            cast("Any", keys),
            POLICIES[0],
            Bounds(value_bytes=10_000),
            self.metrics,
            lambda: 1_764_000_000.0,
            save_seconds=0.0,
        )
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.acks = 0
        self.duty = Duty(3, tools, self._feed)
        self.duty.start(self.failed.set_result)

    def _feed(self, offset: int) -> None:
        left = deque(one for one in self._records if one.offset >= offset)
        while left:
            batch = [left.popleft() for _ in range(min(AT_A_TIME, len(left)))]
            value = RecordBatch("agent.events", 3, batch, 0, offset)
            offset = batch[-1].offset + 1
            self.duty.take(cast("Any", SimpleNamespace(value=value, ack=self._ack)))

    def _ack(self) -> None:
        self.acks += 1

    async def done(self) -> None:
        end = self._records[-1].offset + 1
        await wait_until(
            lambda: self.duty.offset == end or self.failed.done(), interval=0.005, what="the end"
        )
        assert not self.failed.done(), self.failed.result()

    def metric(self, name: str) -> float:
        lines = self.metrics.render()[0].decode().splitlines()
        return sum(float(one.rpartition(" ")[2]) for one in lines if one.startswith(name))


def good(entries: list[Entry]) -> None:
    want = [(one.offset, one.value) for one in expected(SOURCE, policies_of(entries))]
    assert evidence(entries, cast("Any", DerivedKeys())) == want
    assert want


MOST = 48
POINTS = [(at, lands) for at in range(1, MOST) for lands in (True, False)]


@pytest.mark.parametrize(("at", "lands"), POINTS)
async def test_an_answer_that_does_not_come_at_any_point(at: int, lands: bool) -> None:
    link = MemoryLink(fails_at=at, lands=lands)
    for records in (SOURCE[:14], SOURCE):
        worker = Worker(link, DerivedKeys(), records)
        await worker.done()
        await worker.duty.close()
    good(accepted(link.audit.records))
    if at != link.operations:  # its last act may be the one that failed
        assert orjson.loads(link.saved or b"")["offset"] == len(SOURCE)


async def test_the_points_reach_the_end() -> None:
    link = MemoryLink()
    for records in (SOURCE[:14], SOURCE):
        worker = Worker(link, DerivedKeys(), records)
        await worker.done()
        await worker.duty.close()
    assert 20 < link.operations < MOST


async def test_who_was_overtaken_begins_again() -> None:
    link = MemoryLink()
    worker = Worker(link, DerivedKeys(), SOURCE[:14])
    await worker.done()
    link.audit.claim(b"another")
    worker._records = SOURCE
    worker._feed(14)
    await wait_until(lambda: link.claims == 2, what="another claim")
    await worker.done()
    await worker.duty.close()
    good(accepted(link.audit.records))
    assert worker.metric("headrace_audit_void_total") > 0


async def test_keys_that_are_away_are_waited_for() -> None:
    class Away(DerivedKeys):
        tries = 0

        def current(self, names: Any) -> Any:
            self.tries += 1
            if self.tries < 4:
                raise Retryable("no answer")
            return super().current(names)

    link, keys = MemoryLink(), Away()
    worker = Worker(link, keys, SOURCE)
    await wait_until(lambda: worker.duty.in_trouble, interval=0.001, what="trouble")
    await worker.done()
    await worker.duty.close()
    assert not worker.duty.in_trouble
    assert link.claims == 1
    good(accepted(link.audit.records))


async def test_an_agent_audit_that_lost_records_is_refused() -> None:
    link = MemoryLink()
    worker = Worker(link, DerivedKeys(), SOURCE)
    await worker.done()
    await worker.duty.close()
    del link.audit.records[4:]
    again = Worker(link, DerivedKeys(), SOURCE)
    assert "has lost records" in str(await asyncio.wait_for(again.failed, 10))


async def test_a_fork_ends_the_worker() -> None:
    link = MemoryLink()
    worker = Worker(link, DerivedKeys(), SOURCE)
    await worker.done()
    link.audit.write(f"w{link.claims}".encode(), [b"no leaf"])
    await worker.duty.close()
    link.saved = None
    again = Worker(link, DerivedKeys(), SOURCE)
    assert "forks" in str(await asyncio.wait_for(again.failed, 10))


async def test_events_made_anew_begin_another_log_behind_the_old_one() -> None:
    link = MemoryLink()
    worker = Worker(link, DerivedKeys(), SOURCE)
    await worker.done()
    await worker.duty.close()
    before = accepted(link.audit.records)
    link.logs = replace(link.logs, source="another")
    again = Worker(link, DerivedKeys(), SOURCE)
    await again.done()
    await again.duty.close()
    entries = accepted(link.audit.records)
    assert entries[: len(before)] == before
    good(after := entries[len(before) :])
    assert {one.head.log for one in after} == {link.logs.log(3)}
    assert after[0].head.index == 0


async def test_records_that_nobody_judged_are_counted() -> None:
    class Short(MemoryLink):
        async def first_offset(self, _partition: int) -> int:
            return 20

    link = Short()
    worker = Worker(link, DerivedKeys(), SOURCE[:14])
    await worker.done()
    assert worker.metric("headrace_audit_missed_total") == 0
    await worker.duty.close()
    again = Worker(link, DerivedKeys(), SOURCE[20:])
    await again.done()
    await again.duty.close()
    assert again.metric("headrace_audit_missed_total") == 6


def a_link(tmp_path: Path, source_log: str, audit: str) -> Link:
    settings = Settings(state_dir=tmp_path, kafka=KafkaSettings("127.0.0.1:9"))
    logs = Incarnations(source_log, audit)
    return Link(settings, cast("Any", None), cast("Any", None), logs, AsyncExitStack())


async def test_a_state_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, rename = os.fsync, Path.replace

    def synced(fd: int) -> None:
        done.append("sync")
        sync(fd)

    def renamed(draft: Path, name: Path) -> Path:
        done.append("name")
        return rename(draft, name)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    await FileStates(tmp_path, "audit").save(0, b"{}")
    assert done == ["sync", "name"]


async def test_agent_audit_made_anew_is_refused(tmp_path: Path) -> None:
    before, after = (a_link(tmp_path, "c/1", audit) for audit in ("c/2", "c/3"))
    before._states = after._states = FileStates(tmp_path, "kafka")
    assert await before.load(0) is None
    await before.save(0, {"offset": 7})
    assert (await before.load(0) or {})["offset"] == 7
    with pytest.raises(HeadraceError, match=r"agent\.audit was made anew"):
        await after.load(0)


async def test_an_embedded_kafka_that_forgot_begins_empty(tmp_path: Path) -> None:
    before = a_link(tmp_path, "headrace-local-1", "headrace-local-1")
    await before.save(0, {"offset": 7})
    assert (await before.load(0) or {})["offset"] == 7
    after = a_link(tmp_path, "headrace-local-2", "headrace-local-2")
    assert await after.load(0) is None
