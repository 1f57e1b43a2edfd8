"""Files that we write: a new one a day, kept as long as is said, by any number of processes."""

from __future__ import annotations

import gzip
import json
import logging
import multiprocessing
import os
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from headrace.cli.backfill.convert import Converter
from headrace.cli.tail_file import formats
from headrace.events.envelope import decode
from headrace.producers import EventFiles, SettingsError, TenantLogFiles
from headrace.producers.files import DailyFiles, safe

DAY = 86_400.0
NOON = datetime(2026, 5, 4, 12).astimezone().timestamp()


class Days:
    """A clock, and files that were written when it said."""

    def __init__(self, directory: Path, **more: bool) -> None:
        self.now = NOON
        self.directory = directory
        self.files = DailyFiles(directory, 3, compress=more.get("compress", False), clock=self)

    def __call__(self) -> float:
        return self.now

    def write(self, text: str, tenant: str = "acme", name: str = "agentao.log") -> None:
        self.files.append(tenant, name, text.encode() + b"\n")
        os.utime(self.directory / f"tenant-{tenant}" / name, (self.now, self.now))

    def names(self, tenant: str = "acme") -> list[str]:
        there = (self.directory / f"tenant-{tenant}").iterdir()
        return sorted(path.name for path in there if path.name != ".lock")


def test_a_new_file_a_day_and_the_oldest_go(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.write("x", tenant="silent")
    for number in range(6):
        days.write(f"day {number}")
        days.write("more")
        days.now += DAY
    assert days.names() == [
        "agentao.log", "agentao.log.2026-05-06", "agentao.log.2026-05-07", "agentao.log.2026-05-08",
    ]  # fmt: skip
    assert (tmp_path / "tenant-acme" / "agentao.log").read_text() == "day 5\nmore\n"
    assert (tmp_path / "tenant-acme" / "agentao.log.2026-05-06").read_text() == "day 2\nmore\n"
    # A tenant that is silent is not forgotten to be forgotten.
    assert days.names("silent") == []
    days.files.close()


def test_old_ones_are_packed(tmp_path: Path) -> None:
    days = Days(tmp_path, compress=True)
    for number in range(4):
        days.write(f"day {number}")
        days.now += DAY
    assert days.names() == [
        "agentao.log", "agentao.log.2026-05-04.gz", "agentao.log.2026-05-05.gz",
        "agentao.log.2026-05-06",
    ]  # fmt: skip
    packed = tmp_path / "tenant-acme" / "agentao.log.2026-05-05.gz"
    assert gzip.decompress(packed.read_bytes()) == b"day 1\n"
    assert packed.stat().st_mode & 0o777 == 0o600
    days.files.close()


def test_records_of_tenants_and_sessions_stand_apart(tmp_path: Path) -> None:
    handler = TenantLogFiles(tmp_path, tenant="nobody", by_session=True)
    logger = logging.getLogger("tests.files")
    logger.addHandler(handler)
    try:
        logger.error("plain")
        logger.error("hers", extra={"tenant_id": "acme", "session": "s-1"})
        logger.error("out", extra={"tenant": "../../x", "session_id": "a/b"})
    finally:
        logger.removeHandler(handler)
        handler.close()
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.log"))
    assert found == [
        "tenant-%2e.%2f..%2fx/a%2fb.log", "tenant-acme/s-1.log", "tenant-nobody/unbound.log",
    ]  # fmt: skip
    line = (tmp_path / "tenant-acme" / "s-1.log").read_bytes().splitlines()[0]
    assert formats.format_of(line) == formats.TEXT
    data = formats.read(line, formats.TEXT, None).data()
    assert (data["level"], data["logger"], data["message"]) == ("ERROR", "tests.files", "hers")


def test_what_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "tenant-acme").write_text("in the way")
    handler = TenantLogFiles(tmp_path, tenant="acme")
    handler.handle(logging.LogRecord("x", logging.INFO, "", 1, "%d", ("no number",), None))
    handler.handle(logging.LogRecord("x", logging.INFO, "", 1, "text", None, None))
    handler.close()
    files = EventFiles(tmp_path, tenant="acme")
    files.hook("s-1")(object())
    files.close()
    with pytest.raises(SettingsError, match="keep_days"):
        TenantLogFiles(tmp_path, keep_days=0)


def test_names_that_are_no_utf8_lose_nothing(tmp_path: Path) -> None:
    handler = TenantLogFiles(tmp_path, by_session=True)
    extra = {"tenant": "a\ud800", "session": "s\udcff"}
    handler.handle(logging.makeLogRecord({"name": "x", "msg": "text", **extra}))
    handler.close()
    files = EventFiles(tmp_path, tenant="acme")
    files.hook("s\udcff")(SimpleNamespace(type="x", data={}))
    files.close()
    found = {path.name: path.read_bytes().count(b"\n") for path in tmp_path.rglob("s*")}
    assert found == {"s%ef%bf%bd.log": 1, "s%ef%bf%bd.jsonl": 1}


def _write(directory: Path, number: int) -> None:
    files = DailyFiles(directory, 3, compress=False)
    for count in range(500):
        files.append("acme", "agentao.log", f"{number} {count} {'x' * 200}\n".encode())
    files.close()


def test_several_processes_write_whole_lines(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, number)) for number in range(3)]
    path = tmp_path / "tenant-acme" / "agentao.log"
    path.parent.mkdir()
    path.write_text("yesterday\n")
    os.utime(path, (NOON, NOON))
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    lines = path.read_text().splitlines()
    assert sorted(line[:-201] for line in lines) == sorted(
        f"{number} {count}" for number in range(3) for count in range(500)
    )
    assert not list(path.parent.glob("agentao.log.2.*"))


def test_event_files_are_what_backfill_reads(tmp_path: Path) -> None:
    files = EventFiles(tmp_path, tenant="acme")
    hook = files.hook("s/1")
    for kind in ("turn_begin", "odd"):
        hook(type("Event", (), {"type": kind, "data": {"a": {1, 2}}})())
    files.close()
    path = tmp_path / "tenant-acme" / "s%2f1.jsonl"
    lines = path.read_bytes().splitlines()
    assert list(json.loads(lines[0])) == ["ts", "session", "tenant", "type", "data"]
    events = [decode(line) for line in Converter(None, 900_000).convert(lines).events]
    assert [(one.session, one.tenant, one.type) for one in events] == [
        ("s/1", "acme", "turn_begin"), ("s/1", "acme", "odd"),
    ]  # fmt: skip


def test_names_cannot_leave_the_directory() -> None:
    for name in ("..", ".", "", "/", "a/../b", "x" * 500, "\0", "ü"):
        assert Path(safe(name)).name == safe(name)
        assert len(safe(name)) < 255
    assert safe("x" * 500) != safe("x" * 501)


def test_half_a_surrogate_pair_in_a_name_raises_nothing(tmp_path: Path) -> None:
    events = EventFiles(tmp_path, tenant="acme")
    on_event = events.hook("s-\ud800")
    on_event(type("Event", (), {"type": "x", "data": {}})())
    events.close()
    (file,) = (tmp_path / "tenant-acme").glob("*.jsonl")
    (line,) = file.read_text().splitlines()
    assert json.loads(line)["session"] == "s-\ufffd"
    assert safe("x" * 500 + "\ud800") != safe("x" * 500 + "\ud801")
