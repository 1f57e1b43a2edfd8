"""``headrace export``: what is chosen, in which form, and what becomes of files."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import subprocess
from pathlib import Path
from typing import Any

import cramjam
import orjson
import pyarrow.ipc  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from headrace.cli.archive import Archive
from headrace.cli.export import queries
from headrace.cli.export.choice import STREAMED, Choice
from tests.cli.conftest import Cli, command_line
from tests.export.support import Store
from tests.stack.clickhouse import LocalClickHouse

START = 1_764_000_000.0


@pytest.fixture
def sessions(store: Store) -> Store:
    """Two sessions of four events, the second with a formula for a tool."""
    lines = []
    for session in ("s-1", "s-2"):
        for seq in range(1, 5):
            event = {"v": 1, "tenant": store.tenant, "session": session, "user": f"u-{seq % 2}"}
            event |= {"epoch": "00000000000000aa", "seq": seq, "ts": START + seq + 0.123456}
            event |= {"type": "tool_output" if seq % 2 else "tool_start"}
            event |= {"data": {"tool": "=cmd()" if session == "s-2" else "read", "n": 2**64 - 1}}
            lines.append(orjson.dumps(event))
    store.insert(lines)
    store.insert(lines)  # sent twice
    return store


def found(text: bytes) -> set[tuple[str, int]]:
    return {(one["session"], one["seq"]) for one in map(orjson.loads, text.splitlines())}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {(s, n) for s in ("s-1", "s-2") for n in range(1, 5)}),
        (["--session", "s-2"], {("s-2", n) for n in range(1, 5)}),
        (["--user", "u-0", "--session", "s-1"], {("s-1", 2), ("s-1", 4)}),
        (["--type", "tool_start", "--session", "s-1"], {("s-1", 2), ("s-1", 4)}),
        (["--type", "a", "--type", "tool_output", "--session", "s-1"], {("s-1", 1), ("s-1", 3)}),
        (["--from", "2025-11-24T16:00:03Z", "--session", "s-1"], {("s-1", 3), ("s-1", 4)}),
        (["--to", "2025-11-24T16:00:03", "--session", "s-1"], {("s-1", 1), ("s-1", 2)}),
        (["--from", "2025-11-24T16:00:02.123456", "--to", "2025-11-24T16:00:03.123456+00:00",
          "--session", "s-1"], {("s-1", 2)}),
        (["--from", "2025-11-24", "--to", "2025-11-25", "--session", "s-1", "--user", "u-1"],
         {("s-1", 1), ("s-1", 3)}),
        (["--from", "7d"], set()),
    ],
)  # fmt: skip
def test_what_is_chosen(
    sessions: Store, export: Cli, options: list[str], expected: set[tuple[str, int]]
) -> None:
    ran = export("--tenant", sessions.tenant, "--out", "-", *options)
    assert ran.code == 0
    assert found(ran.out.encode()) == expected
    assert len(ran.out.splitlines()) == len(expected)


def test_a_file_for_each_session_and_a_manifest(
    sessions: Store, export: Cli, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = export("--tenant", sessions.tenant, "--out", str(out), "--json")
    (told,) = ran.objects
    assert (told["rows"], told["sessions"], told["files"]) == (8, 2, 2)
    manifest = orjson.loads((out / "manifest.json").read_bytes())
    assert manifest["rows"] == 8
    assert manifest["selection"]["tenant"] == sessions.tenant
    assert manifest["first_event_at"] == "2025-11-24T16:00:01.123456+00:00"
    for entry, session in zip(manifest["files"], ("s-1", "s-2"), strict=True):
        content = (out / entry["name"]).read_bytes()
        assert entry["name"] == f"{session}.jsonl"
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert (entry["bytes"], entry["rows"]) == (len(content), 4)
        assert (entry["first_ts"], entry["last_ts"]) == (START + 1.123456, START + 4.123456)
        assert found(content) == {(session, n) for n in range(1, 5)}
    line = (out / "s-1.jsonl").read_bytes().splitlines()[0]
    assert (
        line
        == (
            b'{"v":1,"tenant":"%b","session":"s-1","user":"u-1","epoch":"00000000000000aa","seq":1,'
            b'"ts":1764000001.123456,"type":"tool_output","data":{"tool":"read","n":18446744073709551615}}'
        )
        % sessions.tenant.encode()
    )


@pytest.mark.parametrize(("how", "ending"), [("--gzip", ".gz"), ("--zstd", ".zst")])
def test_compressed(sessions: Store, export: Cli, tmp_path: Path, how: str, ending: str) -> None:
    zstd: Any = cramjam.zstd
    unpack = gzip.decompress if how == "--gzip" else lambda data: bytes(zstd.decompress(data))
    assert export("--tenant", sessions.tenant, "--out", str(tmp_path / "out"), how).code == 0
    content = (tmp_path / "out" / f"s-1.jsonl{ending}").read_bytes()
    assert found(unpack(content)) == {("s-1", n) for n in range(1, 5)}


def test_the_columns_of_the_view_in_other_formats(
    sessions: Store, export: Cli, tmp_path: Path
) -> None:
    columns = sessions.client.query("DESCRIBE TABLE events").result_columns[0]
    kept = [name for name in columns if name != "data_json"]
    query = (
        f"SELECT {', '.join(kept)} FROM events WHERE tenant = {{t:String}} ORDER BY session, seq"
    )
    rows = list(sessions.client.query(query, {"t": sessions.tenant}).named_results())
    for form in ("parquet", "arrow", "csv"):
        out = tmp_path / f"out.{form}"
        (told,) = export(
            *("--tenant", sessions.tenant, "--format", form, "--out", str(out), "--json")
        ).objects
        assert (told["rows"], told["bytes"]) == (8, out.stat().st_size)
        manifest = orjson.loads((tmp_path / f"{out.name}.manifest.json").read_bytes())
        (entry,) = manifest["files"]
        assert entry["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
        table = _read(out, form)
        assert list(table[0]) == kept
        assert [(one["session"], one["seq"], one["data"]) for one in table] == [
            (row["session"], str(row["seq"]) if form == "csv" else row["seq"], row["data"])
            for row in rows
        ]
        assert {one["tool"] for one in table} == {"read", "=cmd()"}
        assert float(table[0]["ts"]) == START + 1.123456


def _read(path: Path, form: str) -> list[dict[str, Any]]:
    if form == "csv":
        return list(csv.DictReader(io.StringIO(path.read_text())))
    if form == "parquet":
        table = pyarrow.parquet.read_table(path)
    else:
        table = pyarrow.ipc.open_file(path).read_all()
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def test_cells_that_a_spreadsheet_would_run(sessions: Store, export: Cli) -> None:
    ran = export("--tenant", sessions.tenant, "--format", "csv", "--csv-safe", "--out", "-")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert {row["tool"] for row in rows} == {"read", "'=cmd()"}
    assert {row["data"][0] for row in rows} == {"{"}


def test_nothing_is_overwritten_unasked(sessions: Store, export: Cli, tmp_path: Path) -> None:
    of = ("--tenant", sessions.tenant, "--out")
    single, directory = tmp_path / "one.jsonl", tmp_path / "out"
    single.write_text("mine")
    refused = export(*of, str(single), "--single")
    assert (refused.code, single.read_text()) == (2, "mine")
    assert "--force" in refused.err
    assert export(*of, str(single), "--single", "--force").code == 0
    assert len(single.read_bytes().splitlines()) == 8

    directory.mkdir()
    (directory / "mine").touch()
    assert export(*of, str(directory), "--force").code == 2
    (directory / "mine").unlink()
    directory.rmdir()
    assert export(*of, str(directory)).code == 0
    assert export(*of, str(directory)).code == 2
    assert export(*of, str(directory), "--force", "--session", "s-1").code == 0
    assert {path.name for path in directory.iterdir()} == {"s-1.jsonl", "manifest.json"}
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"one.jsonl", "one.jsonl.manifest.json", "out"}


def test_a_place_that_takes_no_export(sessions: Store, export: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for directory, says in (("nodir", "its directory is not there: "), ("file", "Not a directory")):
        out = tmp_path / directory / "out"
        ran = export("--tenant", sessions.tenant, "--out", str(out))
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert ran.err.startswith(f"headrace: {out} cannot be written: {says}")
    # Not even root writes there.
    ran = export("--tenant", sessions.tenant, "--single", "--out", "/proc/headrace.jsonl")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert ran.err.startswith("headrace: /proc/headrace.jsonl cannot be written: ")


def test_what_a_killed_run_left_is_in_nobodys_way(
    sessions: Store, export: Cli, tmp_path: Path
) -> None:
    """The first process of a container has the same number every time."""
    for name in ("all", "one"):
        (tmp_path / f".{name}.{os.getpid()}.partial").mkdir()
    assert export("--tenant", sessions.tenant, "--out", str(tmp_path / "all")).code == 0
    assert export("--tenant", sessions.tenant, "--single", "--out", str(tmp_path / "one")).code == 0


def test_a_device_is_not_replaced(sessions: Store, export: Cli, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ran = export("--tenant", sessions.tenant, "--single", "--force", "--out", str(pipe))
    assert (ran.code, "is no file" in ran.err) == (2, True)
    assert pipe.is_fifo()


@pytest.mark.parametrize("options", [["--format", "parquet"], ["--single"], []])
def test_what_breaks_off_leaves_nothing(
    sessions: Store, export: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    options: list[str],
) -> None:  # fmt: skip
    late = "throwIf(seq = 4 AND session = 's-2', 'broken off') = 0"
    monkeypatch.setattr(Choice, "where", lambda _: (f"tenant = '{sessions.tenant}' AND {late}", {}))
    monkeypatch.setattr("headrace.cli.export.choice.count", lambda *_: None)
    ran = export("--tenant", sessions.tenant, "--out", str(tmp_path / "out"), *options)
    assert (ran.code, "broken off" in ran.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", "1d", "--to", "2d"], "before"),
        (["--csv-safe"], "csv"),
        (["--single", "--format", "csv"], "jsonl"),
        (["--gzip", "--format", "parquet"], "--gzip"),
        (["--from", "yesterday"], "is not a time"),
    ],
)
def test_what_makes_no_sense_is_said(export: Cli, options: list[str], said: str) -> None:
    ran = export("--tenant", "t", "--out", "nowhere", *options)
    assert ran.code == 2
    assert said in ran.err


MANY = 300_000
LARGE = """
INSERT INTO events_raw (tenant, session, epoch, seq, ts, type, data)
SELECT {t:String}, toString(intDiv(number, 1000)), 'e', number % 1000 + 1,
    1764000000 + number / 100, 'x', concat('{"n":"', hex(randomPrintableASCII(500)), '"}')
FROM numbers({n:UInt64})
"""
HELD = 256 << 20
"""What the server may hold of an answer that is larger."""


def test_memory_is_bounded_on_both_sides(
    store: Store, clickhouse_server: LocalClickHouse, tmp_path: Path
) -> None:
    """300,000 events of 1.1 kB are 330 MB; the server gets 268 MB, the command 42 more."""
    store.client.command(LARGE, {"t": store.tenant, "n": MANY})
    where, bound = Choice(store.tenant).where()
    archive = Archive(store.client, "here")
    tight = STREAMED | {"max_memory_usage": HELD}
    for form in queries.FORMATS.values():
        query = queries.rows(archive, where, safe=False)
        size = sum(map(len, archive.raw(query, bound, form, tight)))
        assert size > HELD or form == "Parquet"  # which compresses
    few = _peak(clickhouse_server, store.tenant, "7", tmp_path / "few")
    many = _peak(clickhouse_server, store.tenant, None, tmp_path / "many")
    written = sum(path.stat().st_size for path in (tmp_path / "many").iterdir())
    assert written > 300 << 20
    assert many - few < 40 << 20


def _peak(server: LocalClickHouse, tenant: str, session: str | None, out: Path) -> int:
    """Run an export as a process; return the most memory that it had, in bytes."""
    one = () if session is None else ("--session", session)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
    environ["HEADRACE_CLICKHOUSE_URL"] = server.reader_url
    arguments = command_line("export", "--tenant", tenant, "--out", str(out), "--json", *one)
    process = subprocess.Popen(arguments, env=environ, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024
