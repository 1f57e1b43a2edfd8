"""Log records between the entries, from a ClickHouse of the test's own with the view's columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from headrace.cli.archive import Archive, connect
from headrace.cli.replay.entries import Entry
from headrace.cli.replay.logs import weave
from headrace.cli.replay.read import Place
from headrace.events.settings import ClickHouseSettings, Settings
from headrace.sinks.connection import connect as connect_client
from tests.cli.conftest import Cli
from tests.stack.clickhouse import running_clickhouse


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with running_clickhouse(tmp_path_factory.mktemp("logs")) as server:
        writer = ClickHouseSettings(server.writer_url)
        client = connect_client(writer, database="default")
        client.command("CREATE DATABASE IF NOT EXISTS headrace")
        client.command(
            "CREATE TABLE headrace.logs (tenant String, session String, epoch String, seq UInt64,"
            " ts Float64, level String, logger String, message String, exception String)"
            " ENGINE = MergeTree ORDER BY (tenant, session, epoch, seq)"
        )
        client.close()
        with connect(Settings(state_dir=Path("unused"), clickhouse=writer)) as archive:
            yield archive


def record(epoch: str, ts: float, level: str, message: str, **more: object) -> bytes:
    known = {"tenant": "t", "session": "s", "epoch": epoch, "seq": 1, "ts": ts, "level": level}
    return orjson.dumps({**known, "logger": "x", "message": message, "exception": "", **more})


def test_records_stand_where_they_belong(archive: Archive) -> None:
    records = [
        record("b", 2.5, "ERROR", "it broke\nhere", exception="Traceback"),
        record("a", 0.5, "INFO", "begin"),
        record("c", 1.0, "INFO", "not mine", session="other"),
    ]
    archive.insert("logs", records)
    entries = [Entry(float(ts), "note", f"event {ts}") for ts in (1, 2, 3)]
    woven = list(weave(archive, Place("t", "s", 1), iter(entries)))
    assert [(one.kind, one.headline, one.tone, one.body) for one in woven] == [
        ("log", "INFO x: begin", "quiet", None),
        ("note", "event 1", "plain", None),
        ("note", "event 2", "plain", None),
        ("log", "ERROR x: it broke", "bad", "here\nTraceback"),
        ("note", "event 3", "plain", None),
    ]


@pytest.mark.parametrize(
    "more", [("--follow",), ("--diff", "b"), ("--format", "jsonl"), ("--speed", "1x")]
)
def test_where_they_do_not_fit_is_said(more: tuple[str, ...], on_stack: Cli) -> None:
    ran = on_stack("replay", "s", "--logs", *more)
    assert ran.code == 2
    assert "--logs goes with none of" in ran.err
