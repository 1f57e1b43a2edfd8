"""What killed processes leave in a spool directory goes away, or is bounded."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.producers import condition, lanes
from headrace.producers.condition import ConditionFile, path_of
from headrace.producers.lane import Destination, Lane, try_lock
from headrace.producers.lanes import Lanes
from headrace.producers.limits import Quota
from headrace.producers.sources import LaneSource
from headrace.producers.spool import SpoolWriter

HERE = Destination("agent.events", "here:1")


@pytest.fixture
def swept(tmp_path: Path) -> Iterator[Lanes]:
    made = Lanes(tmp_path, HERE, "me", keep=0)
    yield made
    made.close()


def age(path: Path) -> None:
    then = time.time() - lanes.UNBORN - 1
    os.utime(path, (then, then))


class Killed(BaseException):
    pass


def test_a_lane_that_was_never_born_goes(
    swept: Lanes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    locks: dict[Path, int] = {}

    def lock(path: Path) -> int:
        locks[path.parent] = fd = try_lock(path) or -1
        return fd

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killed)
        patched.setattr("headrace.producers.lane.try_lock", lock)
        for _ in range(2):
            with pytest.raises(Killed):
                Lane.create(tmp_path, HERE, "me")
    lively, dead = sorted(tmp_path.glob(".new-*"))
    fresh = tmp_path / ".new-fresh"
    fresh.mkdir()
    age(lively)
    age(dead)
    os.close(locks[dead])
    swept.sweep()
    assert set(tmp_path.glob(".new-*")) == {lively, fresh}
    os.close(locks[lively])


def test_what_a_killed_shipper_said_goes(swept: Lanes, tmp_path: Path) -> None:
    shippers = [ConditionFile(tmp_path, name) for name in ("killed", "lively")]
    for shipper in shippers:
        shipper.tell("")
        age(path_of(tmp_path, shipper._name))
    os.close(shippers[0]._fd)
    swept.sweep()
    assert list(tmp_path.glob(f"{condition.PREFIX}*")) == [path_of(tmp_path, "lively")]
    shippers[1].close()


def test_torn_lines_are_bounded_and_the_latest_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.producers.sources.TORN_BYTES", 1000)
    for number in range(10):
        spool = SpoolWriter(tmp_path, HERE, "me", Quota(1 << 20))
        os.write(spool.fd, b"%d" % number * 300)
        spool.close()
        LaneSource(spool.lane, keep=0).read()
        (aside,) = tmp_path.glob(f".torn-{spool.lane.path.name}")
        os.utime(aside, (number, number))
    torn = sorted(tmp_path.glob(".torn-*"), key=lambda path: path.stat().st_mtime)
    assert [path.read_bytes()[:1] for path in torn] == [b"7", b"8", b"9"]
    spool = SpoolWriter(tmp_path, HERE, "me", Quota(1 << 20))
    os.write(spool.fd, b"x" * 5000)
    spool.close()
    LaneSource(spool.lane, keep=0).read()
    assert sum(path.stat().st_size for path in tmp_path.glob(".torn-*")) <= 1000
