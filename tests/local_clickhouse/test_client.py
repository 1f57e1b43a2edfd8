"""clickhouse-connect, the client that the pipeline uses."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Generator

import psutil
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from tests.local_clickhouse.conftest import connect
from tests.local_clickhouse.test_encodings import PACK
from tests.stack.clickhouse import LocalClickHouse
from tests.support import unique


@pytest.mark.parametrize("compress", [True, False, "lz4", "zstd", "gzip"])
def test_native_inserts_and_queries(
    clickhouse_server: LocalClickHouse, table: str, compress: bool | str
) -> None:
    with connect(clickhouse_server, compress=compress) as client:
        rows = [[n, f"é{n}"] for n in range(10_000)]
        assert client.insert(table, rows, column_names=["n", "text"]).written_rows == 10_000
        found = client.query(f"SELECT n, text FROM {table} ORDER BY n")
        assert found.result_rows == [(n, f"é{n}") for n in range(10_000)]
        assert found.summary["result_rows"] == "10000"


@pytest.mark.parametrize("compression", [None, "gzip", "lz4", "zstd"])
def test_raw_inserts(
    clickhouse_server: LocalClickHouse, table: str, compression: str | None
) -> None:
    rows = b"".join(b'{"n":%d,"text":"x"}\n' % n for n in range(10_000))
    block = PACK[compression](rows) if compression else rows
    with connect(clickhouse_server) as client:
        done = client.raw_insert(
            table, insert_block=block, fmt="JSONEachRow", compression=compression
        )
        assert done.written_rows == 10_000
        assert client.query(f"SELECT count(), uniq(n) FROM {table}").first_row == (10_000, 10_000)


def test_types(clickhouse_server: LocalClickHouse) -> None:
    name = unique().replace("-", "_")
    with connect(clickhouse_server) as client:
        client.command(
            f"CREATE TABLE {name} (a LowCardinality(String), b Nullable(Int32), c Array(String),"
            " d Map(String, Int32), e DateTime64(3, 'UTC'), f JSON, g Tuple(x Int8, y String),"
            " h UUID)"
            " ENGINE = MergeTree ORDER BY a"
        )
        at = dt.datetime(2026, 1, 2, 3, 4, 5, 678000)  # noqa: DTZ001 - the client's way
        row = [
            "x",
            None,
            ["p", "q"],
            {"k": 1},
            at,
            {"z": 5},
            (1, "y"),
            "12345678-1234-5678-1234-567812345678",
        ]
        client.insert(name, [row])
        found = tuple(client.query(f"SELECT * FROM {name}").result_rows[0])
        assert found[:6] == ("x", None, ["p", "q"], {"k": 1}, at, {"z": 5})
        described = client.query(f"DESCRIBE TABLE {name}").result_rows
        assert [r[0] for r in described] == list("abcdefgh")
        client.command(f"DROP TABLE {name} SYNC")


def test_bound_parameters(clickhouse_server: LocalClickHouse) -> None:
    with connect(clickhouse_server, "reader") as client:
        values = {
            "s": "it's a \\ tab\t",
            "l": ["a'b", "c"],
            "n": 5,
            "t": dt.datetime(2026, 1, 2, 3, 4),  # noqa: DTZ001 - the same
        }
        sql = "SELECT {s:String}, {l:Array(String)}, {n:Int32}, {t:DateTime}"
        assert client.query(sql, parameters=values).first_row == tuple(values.values())


def test_settings_and_sessions(clickhouse_server: LocalClickHouse) -> None:
    with connect(clickhouse_server, "reader", settings={"max_block_size": 77}) as client:
        ask = "SELECT getSetting('max_block_size'), getSetting('max_threads')"
        assert client.query(ask).result_rows[0][0] == 77
        client.command("SET max_threads = 1")
        assert client.query(ask).first_row == (77, 1)
        assert client.query(ask, settings={"max_block_size": 5}).first_row == (5, 1)


def test_empty_answers(clickhouse_server: LocalClickHouse, table: str) -> None:
    with connect(clickhouse_server, "reader") as client:
        found = client.query(f"SELECT * FROM {table}")
        assert found.result_rows == []
        assert client.query(f"SELECT * FROM {table} LIMIT 0").column_names == ("n", "text")


def test_errors_carry_code_and_name(clickhouse_server: LocalClickHouse, table: str) -> None:
    with connect(clickhouse_server, "reader") as client:
        with pytest.raises(DatabaseError) as raised:
            client.query("SELECT * FROM nope")
        assert (raised.value.code, raised.value.name) == (60, "UNKNOWN_TABLE")
        with pytest.raises(DatabaseError) as raised:
            client.insert(table, [[1, "x"]])
        assert raised.value.code == 164


def test_a_stream_that_breaks_says_so(clickhouse_server: LocalClickHouse) -> None:
    sql = (
        "SELECT throwIf(number = 3000000, 'too far') FROM numbers(4000000) SETTINGS max_threads = 1"
    )
    with connect(clickhouse_server, "reader") as client:
        with (
            pytest.raises(StreamFailureError, match="too far"),
            client.query_row_block_stream(sql) as blocks,
        ):
            for _ in blocks:
                pass
        assert client.query("SELECT 1").first_row == (1,)


def test_ten_million_rows_in_bounded_memory(clickhouse_server: LocalClickHouse) -> None:
    process = psutil.Process(clickhouse_server.process.pid)
    with connect(clickhouse_server, "reader") as client:
        client.query("SELECT number, toString(number) FROM numbers(1000000)")
        before = process.memory_info().rss
        most, rows, total = before, 0, 0
        with client.query_column_block_stream("SELECT number FROM numbers(10000000)") as blocks:
            for block in blocks:
                rows += len(block[0])
                total += sum(block[0])
                most = max(most, process.memory_info().rss)
    assert (rows, total) == (10_000_000, sum(range(10_000_000)))
    assert most - before < 60 << 20, "80 MB of answer passed through"


def test_an_insert_as_large_as_it_likes_in_bounded_memory(
    clickhouse_server: LocalClickHouse, table: str
) -> None:
    piece = b"".join(b'{"n":%d,"text":"%s"}\n' % (n, b"x" * 400) for n in range(2_500))
    process = psutil.Process(clickhouse_server.process.pid)
    most = [process.memory_info().rss] * 2

    def pieces() -> Generator[bytes, None, None]:
        for _ in range(400):
            most[1] = max(most[1], process.memory_info().rss)
            yield piece

    with connect(clickhouse_server) as client:
        done = client.raw_insert(table, insert_block=pieces(), fmt="JSONEachRow")
        assert done.written_rows == 1_000_000
        assert client.query(f"SELECT count() FROM {table}").first_row == (1_000_000,)
    assert most[1] - most[0] < 1_200 << 20, most


def test_many_clients_at_once(clickhouse_server: LocalClickHouse, table: str) -> None:
    wrong: list[object] = []

    def read() -> None:
        with connect(clickhouse_server, "reader") as client:
            for _ in range(5):
                found = client.query("SELECT sum(number) FROM numbers(1000000)").first_row
                if found != (499999500000,):
                    wrong.append(found)

    def write() -> None:
        with connect(clickhouse_server) as client:
            for n in range(20):
                client.insert(table, [[n, "x"]], column_names=["n", "text"])

    threads = [threading.Thread(target=target) for target in [read] * 12 + [write] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert wrong == []
    with connect(clickhouse_server) as client:
        assert client.query(f"SELECT count() FROM {table}").first_row == (80,)
