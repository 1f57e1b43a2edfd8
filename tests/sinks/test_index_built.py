"""The index of search over an archive that is older than it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from clickhouse_connect.driver.client import Client

from headrace.events.settings import ClickHouseSettings
from headrace.sinks import schema
from headrace.sinks.clickhouse import INSERT_SETTINGS
from headrace.sinks.connection import connect
from tests.stack.clickhouse import running_clickhouse
from tests.support import wait_until_sync

BUILD = "ALTER TABLE headrace.events_raw MATERIALIZE INDEX by_word"
FIND = "SELECT seq FROM events_raw WHERE hasAllTokens(words, 'refund iban') ORDER BY seq"
WITHOUT = """
SELECT count() FROM system.parts
WHERE database = 'headrace' AND table = 'events_raw' AND active
  AND secondary_indices_compressed_bytes = 0
"""
UNDER_WAY = """
SELECT count() FROM system.mutations
WHERE database = 'headrace' AND table = 'events_raw' AND NOT is_done
"""
BYTES = """
SELECT sum(data_compressed_bytes) FROM system.data_skipping_indices
WHERE database = 'headrace' AND table = 'events_raw' AND name = 'by_word'
"""


def insert(client: Client, first: int) -> None:
    lines = [
        orjson.dumps({"v": 1, "tenant": "t", "session": "s", "epoch": "e", "seq": seq, "ts": seq}
        | {"type": "user_message", "data": {"message": f"refund {'iban' if seq % 2 else 'card'}"}})
        for seq in range(first, first + 20)
    ]  # fmt: skip
    client.raw_insert(
        "headrace.events_raw",
        insert_block=b"\n".join(lines),
        settings=dict(INSERT_SETTINGS),
        fmt="JSONEachRow",
    )


def number(client: Client, query: str) -> int:
    return int(client.query(query).result_rows[0][0])


def test_an_older_archive_is_searched_and_gets_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = schema.migrations()
    with running_clickhouse(tmp_path) as server:
        writer = ClickHouseSettings(server.writer_url)
        before = tuple(one for one in every if one.number < 10)
        monkeypatch.setattr(schema, "migrations", lambda: before)
        schema.apply(writer)
        client, reader = connect(writer), connect(ClickHouseSettings(server.reader_url))
        # Parts as they stand: a merge would build the index as well.
        client.command("SYSTEM STOP MERGES headrace.events_raw")
        for first in (1, 21, 41):
            insert(client, first)
        monkeypatch.setattr(schema, "migrations", lambda: every)
        schema.apply(writer)
        want = [(seq,) for seq in range(1, 61, 2)]
        assert reader.query(FIND).result_rows == want
        assert number(reader, WITHOUT) == 3
        assert number(reader, BYTES) == 0
        client.command("SYSTEM START MERGES headrace.events_raw")
        client.command(BUILD)
        wait_until_sync(lambda: number(reader, UNDER_WAY) == 0, 60)
        assert number(reader, WITHOUT) == 0
        assert number(reader, BYTES) > 0
        assert reader.query(FIND).result_rows == want
