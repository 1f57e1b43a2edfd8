from __future__ import annotations

import subprocess
from collections.abc import Iterator

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.client import Client

from tests.stack.clickhouse import LocalClickHouse
from tests.support import unique


@pytest.fixture
def writer(clickhouse_server: LocalClickHouse) -> Iterator[httpx.Client]:
    """Plain HTTP as the writer."""
    with http(clickhouse_server, "writer") as client:
        yield client


@pytest.fixture
def reader(clickhouse_server: LocalClickHouse) -> Iterator[httpx.Client]:
    """Plain HTTP as the reader."""
    with http(clickhouse_server, "reader") as client:
        yield client


def http(server: LocalClickHouse, user: str) -> httpx.Client:
    password = getattr(server, f"{user}_password")
    url = f"http://127.0.0.1:{server.port}"
    return httpx.Client(base_url=url, auth=(user, password), timeout=60, trust_env=False)


@pytest.fixture
def table(writer: httpx.Client) -> Iterator[str]:
    """An empty table ``(n Int64, text String)`` of the test's own."""
    name = "t_" + unique().replace("-", "_")
    sql = f"CREATE TABLE {name} (n Int64, text String) ENGINE = MergeTree ORDER BY n"
    assert writer.post("/", content=sql).status_code == 200
    yield name
    writer.post("/", content=f"DROP TABLE IF EXISTS {name} SYNC")


def connect(server: LocalClickHouse, user: str = "writer", **options: object) -> Client:
    password = getattr(server, f"{user}_password")
    return clickhouse_connect.get_client(  # type: ignore[no-any-return, unused-ignore]
        host="127.0.0.1",
        port=server.port,
        username=user,
        password=password,
        database="headrace",
        **options,  # type: ignore[arg-type]
    )


def curl(server: LocalClickHouse, *arguments: str, user: str = "reader") -> str:
    password = getattr(server, f"{user}_password")
    command = ["curl", "-sS", "--noproxy", "*", "--max-time", "60", "-u", f"{user}:{password}"]
    done = subprocess.run([*command, *arguments], capture_output=True, check=True)
    return done.stdout.decode()


def url(server: LocalClickHouse, path: str = "/") -> str:
    return f"http://127.0.0.1:{server.port}{path}"
