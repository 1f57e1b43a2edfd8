"""Compressed answers and bodies: gzip, deflate, lz4 and zstd."""

from __future__ import annotations

import gzip
import json
import zlib

import httpx
import lz4.frame  # type: ignore[import-untyped]
import pytest
from backports import zstd

from tests.local_clickhouse.conftest import curl, url
from tests.stack.clickhouse import LocalClickHouse

PACK = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
}
UNPACK = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": lz4.frame.decompress,
    "zstd": zstd.decompress,
}


@pytest.mark.programs
def test_curl_unpacks_what_it_asked_for(clickhouse_server: LocalClickHouse) -> None:
    query = "/?enable_http_compression=1&query=SELECT+number+FROM+numbers(100000)"
    found = curl(clickhouse_server, "--compressed", url(clickhouse_server, query))
    assert found.split() == [str(n) for n in range(100_000)]


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("rows", [0, 3, 300_000])
def test_answers_are_compressed_when_asked(reader: httpx.Client, encoding: str, rows: int) -> None:
    sql = f"SELECT number FROM numbers({rows})"
    headers = {"Accept-Encoding": encoding}
    with reader.stream(
        "POST", "/", params={"enable_http_compression": "1"}, headers=headers, content=sql
    ) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == encoding
    assert UNPACK[encoding](raw).split() == [b"%d" % n for n in range(rows)]
    plain = reader.post("/", headers=headers, content=sql)
    assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize("encoding", PACK)
def test_bodies_may_be_compressed(writer: httpx.Client, table: str, encoding: str) -> None:
    rows = b"".join(b'{"n":%d,"text":"x"}\n' % n for n in range(100_000))
    answer = writer.post(
        "/",
        params={"query": f"INSERT INTO {table} FORMAT JSONEachRow"},
        headers={"Content-Encoding": encoding},
        content=PACK[encoding](rows),
    )
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "100000"
    assert writer.post("/", content=f"SELECT count() FROM {table}").text == "100000\n"


@pytest.mark.parametrize("encoding", PACK)
def test_a_broken_body_inserts_nothing(writer: httpx.Client, table: str, encoding: str) -> None:
    rows = b"".join(b'{"n":%d,"text":"%x"}\n' % (n, hash(str(n))) for n in range(2_000))
    packed = PACK[encoding](rows)
    params = {"query": f"INSERT INTO {table} FORMAT JSONEachRow"}
    headers = {"Content-Encoding": encoding}
    for body in (packed[: len(packed) // 2], b"nonsense" * 100):
        answer = writer.post("/", params=params, headers=headers, content=body)
        assert answer.headers["X-ClickHouse-Exception-Code"] == "271", answer.text
    assert writer.post("/", content=f"SELECT count() FROM {table}").text == "0\n"
    unknown = writer.post("/", params=params, headers={"Content-Encoding": "rot13"}, content=b"x")
    assert unknown.status_code == 501
