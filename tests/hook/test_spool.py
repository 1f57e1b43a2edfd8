from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.events import types
from headrace.events.envelope import Envelope
from headrace.producers import journal as journal_module
from headrace.producers import late, limits
from headrace.producers.lane import Lane, used_bytes
from tests.support import wait_until_sync

from .conftest import Unshipped, spooled, spooled_lines

Make = Callable[..., Unshipped]


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def chunk(size: int = 500) -> Any:
    return SimpleNamespace(type="llm_text", data={"chunk": "x" * size})


def normal(size: int = 500) -> Any:
    return SimpleNamespace(type="llm_call_io", data={"content": "x" * size})


def evidence(size: int = 500) -> Any:
    return SimpleNamespace(type="tool_confirmation", data={"tool": "x" * size})


def test_segments_rotate_and_only_their_owner_can_read_them(make: Make, spool_dir: Path) -> None:
    hook = make(spool_max_bytes=800_000).hook(session="s")
    for _ in range(400):
        hook(chunk())
    (lane,) = Lane.all(spool_dir)
    assert len(lane.segments()) > 2
    for path in lane.path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(lane.path.stat().st_mode) == 0o700
    assert [e.seq for e in spooled(spool_dir)] == list(range(1, 401))


def test_when_full_chunks_go_first_and_evidence_last(make: Make, spool_dir: Path) -> None:
    producer = make(spool_max_bytes=100_000)
    hook = producer.hook(session="s")

    def fill(event: Any) -> dict[str, int]:
        for _ in range(300):
            hook(event)
        return producer.report().dropped

    assert fill(chunk()).keys() == {limits.FULL}
    after_chunks = used_bytes(spool_dir)
    fill(normal())
    after_normal = used_bytes(spool_dir)
    assert fill(evidence())[limits.AUDIT_OVERFLOW] > 0
    assert after_chunks <= 80_000 < after_normal <= 95_000 < used_bytes(spool_dir) <= 100_000
    report = producer.report()
    kept = len(spooled_lines(spool_dir))
    assert (report.accepted, report.spooled) == (900, kept)
    assert sum(report.dropped.values()) == 900 - kept


def test_drops_are_told_when_there_is_room_again(make: Make, spool_dir: Path) -> None:
    producer = make(spool_max_bytes=100_000)
    hook = producer.hook(session="s")
    for _ in range(300):
        hook(chunk())
    (lane,) = Lane.all(spool_dir)
    lane.segment_path(1).unlink()  # as a shipper does with what is delivered

    def told() -> list[Envelope]:
        hook(chunk())
        producer._journal.check()
        return [e for e in spooled(spool_dir) if e.type == types.DROPPED]

    first = wait_until_sync(told, timeout=10)[0]
    kept = {e.seq for e in spooled(spool_dir)}
    lost = set(range(first.data["first_seq"], first.data["last_seq"] + 1))
    assert first.data["reason"] == limits.FULL
    assert first.data["count"] == len(lost)
    assert not lost & kept


def test_the_spool_is_bounded_over_all_lanes(make: Make, spool_dir: Path) -> None:
    for _ in range(3):
        hook = make(spool_max_bytes=100_000).hook(session="s")
        for _ in range(300):
            hook(chunk())
    assert used_bytes(spool_dir) <= 110_000


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_failing_disk_falls_back_to_memory_and_comes_back(
    make: Make,
    spool_dir: Path,
    error: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    producer = make()
    hook = producer.hook(session="s")
    hook(chunk())

    def failing(fd: int, data: bytes) -> int:
        raise OSError(error, os.strerror(error))

    with caplog.at_level(logging.WARNING, "headrace.producers"):
        producer._store.write = failing
        for _ in range(100):
            hook(chunk())
    assert len([r for r in caplog.records if "spool" in r.message]) == 1
    assert producer._memory.written == 100

    def spools_again() -> bool:
        hook(chunk())
        return producer._store.spool is not None

    wait_until_sync(spools_again, timeout=10)
    hook(chunk())
    report = producer.report()
    assert report.dropped == {}
    lines = [e.seq for e in spooled(spool_dir)]
    in_memory = producer._memory.take(1 << 30)
    assert len(lines) + len(in_memory) == report.accepted


def test_a_short_write_leaves_a_torn_line_behind_and_no_event(
    make: Make, spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = make()
    hook = producer.hook(session="s")
    hook(chunk())
    producer._store.write = lambda fd, line: os.write(fd, line[:100])
    hook(chunk())
    assert [e.seq for e in spooled(spool_dir)] == [1]
    assert producer._memory.written == 1


def test_a_real_full_disk_in_a_process(tmp_path: Path) -> None:
    """The kernel's own short write: a limit on the size of files, in place of a small disk."""
    program = """
import resource, sys
from types import SimpleNamespace
from headrace.producers import EventProducer
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
producer = EventProducer("127.0.0.1:9", tenant="t", spool_dir=sys.argv[1], shipper="thread")
hook = producer.hook(session="s")
for i in range(1000):
    hook(SimpleNamespace(type="x", data={"i": i, "filler": "x" * 200}))
r = producer.report()
print(r.accepted, r.spooled, sum(r.dropped.values()), producer._memory.written)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "spool")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    accepted, still, dropped, in_memory = map(int, done.stdout.split())
    assert (accepted, still, dropped) == (1000, 1000, 0)
    assert in_memory > 500


def test_a_directory_that_cannot_be_made_means_memory(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    producer = make(spool_dir=tmp_path / "file" / "spool")
    producer.hook(session="s")(chunk())
    assert producer._memory.written == 1
    assert producer.report().accepted == 1


def test_a_vanished_directory_is_noticed_and_its_lines_are_rescued(
    make: Make, spool_dir: Path
) -> None:
    producer = make()
    hook = producer.hook(session="s")
    for _ in range(50):
        hook(chunk())
    shutil.rmtree(spool_dir)
    hook(chunk())
    producer._journal.check()
    assert producer._memory.written == 51
    hook(chunk())
    producer._journal.check()
    assert [e.seq for e in spooled(spool_dir)] == [52]
    report = producer.report()
    assert (report.accepted, report.spooled, report.dropped) == (52, 52, {})


# The first slow write of a run is only told by the time that has passed when the next event comes.
@pytest.mark.parametrize(("took", "writes"), [(0.06, 4), (1.5, 2)])
def test_a_slow_disk_is_left_for_a_while(
    make: Make, spool_dir: Path, monkeypatch: pytest.MonkeyPatch, took: float, writes: int
) -> None:
    producer = make()
    hook = producer.hook(session="s")
    hook(chunk())
    clock = Clock(producer._journal._clock())
    pauses = iter([took] * writes)

    def slow(fd: int, data: bytes) -> int:
        clock.now += next(pauses)
        return os.write(fd, data)

    monkeypatch.setattr(producer._journal, "_clock", clock)
    monkeypatch.setattr(producer._store, "_clock", clock)
    producer._store.write = slow
    for _ in range(writes + 2):
        hook(chunk())
    assert producer.report().slow_writes == writes - 1
    assert len(spooled(spool_dir)) == 1 + writes
    assert producer._memory.written == 2
    clock.now += 10
    hook(chunk())
    assert len(spooled(spool_dir)) == 2 + writes


def test_one_slow_write_among_quick_ones_costs_no_durability(
    make: Make, spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = make()
    hook = producer.hook(session="s")
    clock = Clock(producer._journal._clock())
    pauses = iter([0.0, 0.2, 0.0, 0.2, 0.2, 0.0])

    def sometimes_slow(fd: int, data: bytes) -> int:
        clock.now += next(pauses)
        return os.write(fd, data)

    monkeypatch.setattr(producer._journal, "_clock", clock)
    monkeypatch.setattr(producer._store, "_clock", clock)
    producer._store.write = sometimes_slow
    for _ in range(6):
        hook(chunk())
    producer._store.write = os.write
    assert len(spooled(spool_dir)) == 6


def test_other_threads_do_not_wait_for_one_that_hangs_in_a_write(
    make: Make, spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = make()
    hook = producer.hook(session="s")
    hook(chunk())
    hangs, go_on = threading.Event(), threading.Event()

    def hanging(fd: int, data: bytes) -> int:
        hangs.set()
        assert go_on.wait(60)
        return os.write(fd, data)

    producer._store.write = hanging
    stuck = threading.Thread(target=hook, args=(chunk(),))
    stuck.start()
    assert hangs.wait(60)
    for _ in range(20):
        hook(chunk())  # would hang for ever if it waited
    assert len(spooled(spool_dir)) == 1
    producer._store.write = os.write
    go_on.set()
    stuck.join()
    hook(chunk())
    assert producer.report().accepted == 23
    numbers = [e.seq for e in spooled(spool_dir)]
    assert len(numbers) + producer._memory.written == 23


def test_a_thread_waits_for_its_turn_while_others_get_on(
    make: Make, spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "PATIENCE", 0.01)
    producer = make()
    hook = producer.hook(session="s")
    hook(chunk())
    with producer._journal._lock:
        waiting = threading.Thread(target=hook, args=(chunk(),))
        waiting.start()
        for _ in range(50):
            producer._store.place.written += 1
            waiting.join(0.001)  # far less than the patience: each look finds that others got on
        assert waiting.is_alive()
    waiting.join()
    assert [e.seq for e in spooled(spool_dir)] == [1, 2]  # on the disk when the call returned


def test_events_beyond_what_may_wait_are_numbered_and_told(
    make: Make, spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "LATE_BYTES", 4_000)
    monkeypatch.setattr(journal_module, "PATIENCE", 0.001)
    producer = make()
    hook = producer.hook(session="s")
    with producer._journal._lock:
        for _ in range(10):
            hook(chunk())
        assert len(producer._journal._row) == 4
        assert producer.report().accepted == 10  # though none has its number yet
    hook(chunk())
    report = producer.report()
    assert report.accepted == 11
    assert report.dropped == {journal_module.BUSY: 6}
    assert producer._journal.waiting == 0


def test_what_waited_is_on_the_disk_as_soon_as_the_disk_goes_on(
    make: Make, spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "PATIENCE", 0.001)
    producer = make()
    hook = producer.hook(session="s")
    hook(chunk())
    hangs, go_on = threading.Event(), threading.Event()

    def hanging(fd: int, data: bytes) -> int:
        producer._store.write = os.write
        hangs.set()
        assert go_on.wait(60)
        return os.write(fd, data)

    producer._store.write = hanging
    stuck = threading.Thread(target=hook, args=(chunk(),))
    stuck.start()
    assert hangs.wait(60)
    for _ in range(3):
        hook(chunk())
    hook.end()  # would hang for ever if it waited; so would these
    assert producer.report().accepted >= 5
    producer._journal.check()
    go_on.set()
    stuck.join()
    # Nobody calls the hook any more: the thread that hung has done what the others left.
    assert [e.type for e in spooled(spool_dir)] == ["llm_text"] * 5 + [types.EPOCH_END]
    assert [e.seq for e in spooled(spool_dir)] == [1, 2, 3, 4, 5, 6]


def test_close_does_not_wait_for_a_disk_that_hangs(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "PATIENCE", 0.001)
    producer = make()
    hook = producer.hook(session="s")
    hook(chunk())
    with producer._journal._lock:
        hook(chunk())
        report = producer.close(timeout=0.01)  # would hang for ever if it waited
    assert report.accepted == report.delivered + report.spooled + sum(report.dropped.values())
    assert report.dropped == {limits.UNDELIVERED: 1}  # what only memory held


def test_memory_is_bounded(make: Make) -> None:
    producer = make(durability="memory", memory_max_bytes=50_000)
    hook = producer.hook(session="s")
    for _ in range(1000):
        hook(normal())
    assert producer._memory.used_bytes <= 50_000
    report = producer.report()
    kept = producer._memory.written
    assert (report.accepted, report.spooled) == (1000, kept)
    assert report.dropped == {limits.FULL: 1000 - kept}
