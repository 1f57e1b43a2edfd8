"""One file while it is written, renamed, cut off and read by one reader after the other."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.faults import CommandError
from headrace.cli.state_file import StateFile
from headrace.cli.tail_file.follow import LOOK_EVERY, QUIET, FollowedFile, Whose
from headrace.cli.tail_file.paths import Paths, from_pattern
from headrace.cli.tail_file.run import Following
from headrace.events.settings import KafkaSettings, Settings

LOG = "log"


class Reader:
    """A follower of one file with a clock of its own, and what it shipped."""

    def __init__(self, path: Path, *, once: bool = False, log: str = "log-1") -> None:
        self.now = 0.0
        state = StateFile(path.parent / "state", [str(path)])
        whose = Whose("acme", "unbound", "auto", None, 900_000, once)
        self.file = FollowedFile(path, whose, state, lambda: self.now)
        self.file.begin(log)
        self.events: list[dict[str, Any]] = []

    def read(self, *, acknowledge: bool = True) -> list[str]:
        """Let time go by and read what there is; the messages."""
        found: list[dict[str, Any]] = []
        for _ in range(8):
            self.now += max(LOOK_EVERY, QUIET)
            while (chunk := self.file.read()) is not None:
                found += [orjson.loads(line) for line in chunk.lines]
                if acknowledge:
                    self.file.acknowledge(chunk)
        self.events += found
        return [event["data"]["message"] for event in found if event["type"] == LOG]

    @property
    def identities(self) -> list[tuple[str, int]]:
        return [(event["epoch"], event["seq"]) for event in self.events]


def write(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agentao.log"


def test_records_come_as_they_are_written(path: Path) -> None:
    reader = Reader(path)
    assert reader.read() == []
    write(path, "12:00:00.000 one", "  more of it", "12:00:01.000 two")
    assert reader.read() == ["one\n  more of it", "two"]
    with path.open("a") as file:
        file.write("12:00:02.000 th")
    assert reader.read() == []
    write(path, "ree")
    assert reader.read() == ["three"]
    assert [seq for _, seq in reader.identities] == [1, 2, 3]


def test_a_restart_goes_on_and_what_was_not_acknowledged_comes_again(path: Path) -> None:
    write(path, "12:00:00.000 one", "12:00:01.000 two")
    first = Reader(path)
    assert first.read() == ["one", "two"]
    write(path, "12:00:02.000 three")
    assert first.read(acknowledge=False) == ["three"]
    first.file.close()
    second = Reader(path)
    assert second.read() == ["three"]
    assert second.identities == first.identities[2:]


def test_another_log_is_told_everything_again_under_the_same_identities(path: Path) -> None:
    write(path, "12:00:00.000 one", "12:00:01.000 two")
    first = Reader(path)
    first.read()
    again = Reader(path, log="log-2")
    assert again.read() == ["one", "two"]
    assert again.identities == first.identities
    assert again.events == first.events


def test_rename_and_create(path: Path) -> None:
    reader = Reader(path)
    write(path, "12:00:00.000 one")
    reader.read()
    write(path, "12:00:01.000 two")
    path.rename(path.with_name("agentao.log.1"))
    write(path, "12:00:02.000 three")
    assert reader.read() == ["two", "three"]
    assert [(event["type"], event["seq"]) for event in reader.events] == [
        (LOG, 1), (LOG, 2), ("headrace.epoch_end", 3), (LOG, 1),
    ]  # fmt: skip
    assert len({epoch for epoch, _ in reader.identities}) == 2


def test_rotated_twice_while_nobody_looked(path: Path) -> None:
    write(path, "12:00:00.000 one")
    reader = Reader(path)
    reader.read()
    reader.file.close()
    write(path, "12:00:01.000 two")
    for number, line in enumerate(("12:00:02.000 three", "12:00:03.000 four")):
        if number:
            path.with_name("agentao.log.1").rename(path.with_name("agentao.log.2"))
        path.rename(path.with_name("agentao.log.1"))
        write(path, line)
        os.utime(path, (number + 2e9, number + 2e9))
    assert Reader(path).read() == ["two", "three", "four"]


def test_copied_and_cut_off(path: Path) -> None:
    reader = Reader(path)
    write(path, "12:00:00.000 one", "12:00:01.000 two")
    reader.read()
    shutil.copy(path, path.with_name("agentao.log.1"))
    os.truncate(path, 0)
    write(path, "12:00:02.000 three")
    assert reader.read() == ["three"]
    assert reader.identities[2][1] == 1
    assert len(set(reader.identities)) == 3


def test_once_reads_to_the_end_and_stops(path: Path) -> None:
    path.write_bytes(b"12:00:00.000 one\n12:00:01.000 tw\xffo")
    reader = Reader(path, once=True)
    assert reader.read() == ["one", "tw\ufffdo"]
    assert reader.file.done


def test_files_without_times_are_read_by_the_line(path: Path) -> None:
    write(path, "starting", "ready")
    assert Reader(path).read() == ["starting", "ready"]


@given(st.lists(st.integers(0, 60), max_size=6))
def test_however_it_is_written_identities_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    directory = tmp_path_factory.mktemp("cuts")
    content = b"12:00:00.000 one\nmore\n12:00:01.000 tw\xc3\xbc\n\n12:00:02.000 three\n"
    path = directory / "agentao.log"
    path.write_bytes(b"")
    reader = Reader(path)
    at = 0
    for end in [*sorted(cuts), len(content)]:
        with path.open("ab") as file:
            file.write(content[at:end])
        at = max(at, end)
        # Faster than a writer's silence, which would end a record.
        reader.now += LOOK_EVERY / 10
        while (chunk := reader.file.read()) is not None:
            reader.events += [orjson.loads(line) for line in chunk.lines]
            reader.file.acknowledge(chunk)
    reader.read()
    assert [event["data"]["message"] for event in reader.events] == ["one\nmore", "twü\n", "three"]
    assert [seq for _, seq in reader.identities] == [1, 2, 3]


@pytest.mark.parametrize(
    "line",
    [
        '{"message": "one", "ts": 1e300}',
        '{"message": "one", "ts": 1795000000000}',
        '{"message": "one", "ts": "9999-12-31T23:59:59Z"}',
        '{"message": "one", "ts": "0001-01-01T00:00:00"}',
    ],
)
def test_a_time_that_the_archive_would_not_take_is_that_of_the_file(path: Path, line: str) -> None:
    write(path, line)
    reader = Reader(path, once=True)
    assert reader.read() == ["one"]
    assert reader.events[0]["ts"] == path.stat().st_mtime


def test_json_that_is_nested_too_deep_to_be_written_is_its_text(path: Path) -> None:
    deep = '{"level": "ERROR", "message": "x", "a": ' + "[" * 500 + "]" * 500 + "}"
    write(path, deep, '{"message": "two"}')
    reader = Reader(path, once=True)
    assert reader.read() == [deep, "two"]
    assert reader.events[0]["data"]["level"] == "ERROR"


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(CommandError, match="not a regular file"):
        Reader(path, once=True).read()
    reader = Reader(path)
    with pytest.raises(OSError, match="not a regular file"):
        reader.read()
    path.unlink()
    write(path, "one")
    assert reader.read() == ["one"]


def test_what_was_missed_is_looked_for_again_after_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, "one")
    first = Reader(path)
    assert first.read() == ["one"]
    write(path, "two")
    first.file.close()
    path.rename(f"{path}.1")
    write(path, "three")
    with monkeypatch.context() as patch:
        patch.setattr("headrace.cli.tail_file.follow.missed", _vanished)
        second = Reader(path, log="")
        with pytest.raises(FileNotFoundError):
            second.file.begin("log-1")
    second.file.begin("log-1")
    assert second.read() == ["two", "three"]


def _vanished(*_: object) -> list[Path]:
    raise FileNotFoundError


def test_links_in_a_circle_are_told(path: Path, tmp_path: Path) -> None:
    path.symlink_to(path)
    settings = Settings(tmp_path, kafka=KafkaSettings("nowhere:1"))
    whose = Whose("acme", "unbound", "auto", None, 900_000, once=True)
    following = Following(settings, Paths([str(path)], lambda _: "acme"), whose, tmp_path)
    (source,) = following._sources()
    source.begin("log-1")
    with pytest.raises(CommandError, match="cannot be read"):
        source.read()


def test_tenants_are_read_out_of_paths(tmp_path: Path) -> None:
    for tenant in ("acme", "globex"):
        (tmp_path / f"tenant-{tenant}" / "a").mkdir(parents=True)
        write(tmp_path / f"tenant-{tenant}" / "a" / "agentao.log", "x")
    (tmp_path / "other").mkdir()
    write(tmp_path / "other" / "agentao.log", "x")
    tenant_of = from_pattern(f"{tmp_path}/tenant-{{tenant}}/*/agentao.log")
    found = Paths([f"{tmp_path}/**/agentao.log"], tenant_of).find()
    assert sorted(found.values()) == ["acme", "globex"]
