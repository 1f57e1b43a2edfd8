"""Starts, stops and kills: what was acknowledged stays, and one process has a directory."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.local_clickhouse.conftest import http
from tests.stack.clickhouse import LocalClickHouse, running_clickhouse, start_clickhouse
from tests.support import wait_until_sync

TABLE = "CREATE TABLE IF NOT EXISTS t (n Int64) ENGINE = MergeTree ORDER BY n"
SLOW = "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1"
RUNNING = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number) = 1%'"


def rows(start: int, count: int) -> bytes:
    return b"".join(b'{"n":%d}\n' % n for n in range(start, start + count))


def insert(client: httpx.Client, data: bytes | Iterator[bytes]) -> httpx.Response:
    return client.post("/", params={"query": "INSERT INTO t FORMAT JSONEachRow"}, content=data)


@pytest.mark.parametrize("attempt", range(3))
def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, attempt: int) -> None:
    server = start_clickhouse(tmp_path)
    acknowledged, enough = 0, threading.Event()

    def kill() -> None:
        assert enough.wait(60)
        server.process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with http(server, "writer") as client:
        assert client.post("/", content=TABLE).status_code == 200
        try:
            while insert(client, rows(acknowledged, 1_000)).status_code == 200:
                acknowledged += 1_000
                if acknowledged >= 20_000 * (attempt + 1):
                    enough.set()  # and it goes on, so that the kill falls in the midst of it
        except httpx.HTTPError:
            pass
    killer.join()
    server.process.wait(30)
    assert acknowledged >= 20_000 * (attempt + 1)
    with running_clickhouse(tmp_path) as again, http(again, "reader") as client:
        found = client.post(
            "/", content=f"SELECT uniqExact(n) FROM t WHERE n < {acknowledged}"
        ).text
        assert int(found) == acknowledged


def test_a_stop_keeps_everything_and_ends_well(tmp_path: Path) -> None:
    server = start_clickhouse(tmp_path)
    with http(server, "writer") as client:
        client.post("/", content=TABLE)
        assert insert(client, rows(0, 10)).status_code == 200
    assert server.stop() == 0
    with running_clickhouse(tmp_path) as again, http(again, "reader") as client:
        assert client.post("/", content="SELECT count() FROM t").text == "10\n"
        assert again.stop(signal.SIGINT) == 0


def test_a_stop_waits_for_the_insert_that_runs(tmp_path: Path) -> None:
    server = start_clickhouse(tmp_path)
    go = threading.Event()

    def slowly() -> Iterator[bytes]:
        for n in range(10):
            yield rows(n * 1_000, 1_000)
            if n == 0:
                go.set()
            time.sleep(0.05)

    found: list[int] = []
    with http(server, "writer") as client:
        client.post("/", content=TABLE)
        running = threading.Thread(
            target=lambda: found.append(insert(client, slowly()).status_code)
        )
        running.start()
        go.wait(10)
        assert server.stop() == 0
        running.join(30)
    assert found == [200]
    with running_clickhouse(tmp_path) as again, http(again, "reader") as client:
        assert client.post("/", content="SELECT count() FROM t").text == "10000\n"


def test_one_process_has_a_directory(tmp_path: Path) -> None:
    with (
        running_clickhouse(tmp_path),
        pytest.raises(RuntimeError, match="in use by another process"),
    ):
        start_clickhouse(tmp_path)
    with running_clickhouse(tmp_path) as server, http(server, "reader") as client:
        assert client.post("/", content="SELECT 1").text == "1\n"


def test_an_insert_whose_client_goes_away_is_not_written(
    clickhouse_server: LocalClickHouse,
) -> None:
    def breaks() -> Iterator[bytes]:
        yield rows(0, 1_000)
        raise ConnectionAbortedError

    with http(clickhouse_server, "writer") as client:
        client.post("/", content=TABLE)
        with pytest.raises(ConnectionAbortedError):
            insert(client, breaks())
        assert insert(client, rows(5_000, 10)).status_code == 200
        assert client.post("/", content="SELECT count() FROM t").text == "10\n"
        client.post("/", content="DROP TABLE t SYNC")


@pytest.mark.parametrize("fmt", ["TSV", "JSON"])
@pytest.mark.parametrize("user", ["reader", "writer"])
def test_a_query_ends_when_its_client_goes_away(
    clickhouse_server: LocalClickHouse, user: str, fmt: str
) -> None:
    running = processes(clickhouse_server)
    with http(clickhouse_server, user) as client:
        client.timeout = httpx.Timeout(0.5)
        with pytest.raises(httpx.ReadTimeout):
            client.post("/", content=f"{SLOW} FORMAT {fmt}")
    wait_until_sync(lambda: running() == 0, 10)


def test_a_query_beyond_its_time_is_ended(clickhouse_server: LocalClickHouse) -> None:
    with http(clickhouse_server, "reader") as client:
        answer = client.post("/", params={"max_execution_time": "1"}, content=SLOW)
        assert answer.headers["X-ClickHouse-Exception-Code"] == "159"
        limit = client.post("/", content="SELECT getSetting('max_execution_time')").text
        assert 0 < int(limit) <= 300


def test_a_query_beyond_its_memory_is_ended(clickhouse_server: LocalClickHouse) -> None:
    sql = "SELECT groupArray(number) FROM numbers(1000000000)"
    with http(clickhouse_server, "reader") as client:
        answer = client.post("/", content=sql)
        assert answer.headers["X-ClickHouse-Exception-Code"] == "241"
        assert client.post("/", content="SELECT 1").text == "1\n"


def test_reads_do_not_keep_the_writer_waiting(clickhouse_server: LocalClickHouse) -> None:
    running = processes(clickhouse_server)

    def read() -> None:
        with http(clickhouse_server, "reader") as client:
            client.post("/", params={"max_execution_time": "4", "max_threads": "1"}, content=SLOW)

    readers = [threading.Thread(target=read) for _ in range(12)]
    for reader in readers:
        reader.start()
    with http(clickhouse_server, "writer") as client:
        wait_until_sync(lambda: running() >= 7, 10)
        client.post("/", content=TABLE)
        assert insert(client, rows(0, 10)).status_code == 200
        assert running() >= 7, "the insert did not wait for them"
        client.post("/", content="DROP TABLE t SYNC")
    for reader in readers:
        reader.join(60)


def processes(server: LocalClickHouse) -> Callable[[], int]:
    """Count the slow queries, as the writer, whose reads have places of their own."""

    def count() -> int:
        with http(server, "writer") as client:
            return int(client.post("/", content=RUNNING).text) - 1

    return count
