"""The index of search over an archive that is older than it, or than the words it is made of."""

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
PARTS = """
SELECT count() FROM system.parts
WHERE database = 'headrace' AND table = 'events_raw' AND active
"""
WITH_WORDS = """
SELECT count() FROM system.parts_columns
WHERE database = 'headrace' AND table = 'events_raw' AND active AND column = 'words'
"""


def insert(client: Client, first: int, unindexed: str = "by_words") -> None:
    lines = [
        orjson.dumps({"v": 1, "tenant": "t", "session": "s", "epoch": "e", "seq": seq, "ts": seq}
        | {"type": "user_message", "data": {"message": f"refund {'iban' if seq % 2 else 'card'}"}})
        for seq in range(first, first + 20)
    ]  # fmt: skip
    client.raw_insert(
        "headrace.events_raw",
        insert_block=b"\n".join(lines),
        settings=INSERT_SETTINGS | {"exclude_materialize_skip_indexes_on_insert": unindexed},
        fmt="JSONEachRow",
    )


def number(client: Client, query: str) -> int:
    return int(client.query(query).result_rows[0][0])


@pytest.mark.parametrize("without", [10, 12])
def test_an_older_archive_is_searched_and_gets_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: int
) -> None:
    every = schema.migrations()
    with running_clickhouse(tmp_path) as server:
        writer = ClickHouseSettings(server.writer_url)
        before = tuple(one for one in every if one.number < without)
        monkeypatch.setattr(schema, "migrations", lambda: before)
        schema.apply(writer)
        client, reader = connect(writer), connect(ClickHouseSettings(server.reader_url))
        insert(client, 1, unindexed="by_word")
        client.command("OPTIMIZE TABLE headrace.events_raw FINAL")
        # Parts as they stand: a merge would build the index as well.
        client.command("SYSTEM STOP MERGES headrace.events_raw")
        for first in (21, 41):
            insert(client, first, unindexed="by_word")
        assert number(reader, WITHOUT) == (3 if without == 10 else 2)
        monkeypatch.setattr(schema, "migrations", lambda: every)
        schema.apply(writer)
        want = [(seq,) for seq in range(1, 61, 2)]
        assert reader.query(FIND).result_rows == want
        assert number(reader, WITH_WORDS) == 0
        # As each part is rewritten: it has words and index, and others have not.
        insert(client, 61, unindexed="")
        want += [(seq,) for seq in range(61, 81, 2)]
        assert reader.query(FIND).result_rows == want
        # A worker of the version before names the index as it was.
        insert(client, 81, unindexed="by_word")
        want += [(seq,) for seq in range(81, 101, 2)]
        assert reader.query(FIND).result_rows == want
        client.command("SYSTEM START MERGES headrace.events_raw")
        wait_until_sync(lambda: number(reader, UNDER_WAY) == 0, 60)
        assert number(reader, WITHOUT) == 0
        assert number(reader, WITH_WORDS) == number(reader, PARTS)
        assert reader.query(FIND).result_rows == want
        plan = reader.query(f"EXPLAIN indexes = 1 {FIND}").result_rows
        assert any("by_words" in line for (line,) in plan)


def test_words_are_made_once_when_an_event_is_written(tmp_path: Path) -> None:
    with running_clickhouse(tmp_path) as server:
        writer = ClickHouseSettings(server.writer_url)
        schema.apply(writer)
        client, reader = connect(writer), connect(ClickHouseSettings(server.reader_url))
        insert(client, 1)
        assert number(reader, WITH_WORDS) == 1
        assert number(reader, WITHOUT) == 1
        client.command("OPTIMIZE TABLE headrace.events_raw FINAL")
        assert number(reader, WITHOUT) == 0
