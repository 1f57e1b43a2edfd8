"""Native blocks as clickhouse-go wants them, against blocks put together column by column."""

from __future__ import annotations

import httpx
import pytest

from headrace.local.clickhouse import native

COLUMNS = [
    "number",
    "toString(number * 1000000)",
    "repeat('x', number * 100)",
    "toLowCardinality(toString(number % 3))",
    "toLowCardinality(toNullable(toString(number % 3)))",
    "if(number % 2, NULL, number)",
    "range(number)",
    "arrayMap(x -> range(x), range(number % 4))",
    "arrayMap(x -> toLowCardinality(toString(x)), range(number % 4))",
    "map('k', toLowCardinality('v'), 'l', toLowCardinality('w'))",
    "CAST((1, 'x'), 'Tuple(a UInt8, `b c` String)')",
    "CAST([(1, 'x')], 'Array(Tuple(UInt8, Nullable(String)))')",
    "toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC')",
    "toDateTime('2026-01-02 03:04:05', 'UTC')",
    "toDate('2026-01-02')",
    "toDecimal32(1.5, 2)",
    "toDecimal64(1.5, 2)",
    "toDecimal128(1.5, 2)",
    "toUUID('12345678-1234-5678-1234-567812345678')",
    "toIPv4('127.0.0.1')",
    "toIPv6('::1')",
    "toFixedString('abc', 5)",
    "CAST('a', 'Enum8(\\'a\\' = 1, \\'b, (\\\\\\'\\' = 2)')",
    "CAST('{\"a\": [1, {\"b\": 2}]}', 'JSON')",
    "CAST('{\"a\": 1}', 'Nullable(JSON)')",
    "CAST((1., 2.), 'Point')",
    "true",
    "NULL",
    "[]",
    "toInt256(number)",
    "toIntervalDay(1)",
]


def ask(reader: httpx.Client, sql: str, protocol: int = 0) -> bytes:
    params: dict[str, str] = {"default_format": "Native"} | native.SETTINGS
    if protocol:
        params["client_protocol_version"] = str(protocol)
    answer = reader.post("/", params=params, content=sql)
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("rows", [1, 7])
def test_each_column_is_where_it_is(reader: httpx.Client, rows: int) -> None:
    columns = [f"{text} AS c{n}" for n, text in enumerate(COLUMNS)]
    source = f"FROM numbers({rows})"
    expected = native._INFO + bytes([len(columns), rows])
    for column in columns:
        block = ask(reader, f"SELECT {column} {source}")
        at = 2
        for _ in range(2):
            length, at = native._varint(block, at)
            at += length
        expected += block[2:at] + b"\0" + block[at:]
    sql = f"SELECT {', '.join(columns)} {source}"
    assert ask(reader, sql, native.FLAGGED) == expected


def test_older_protocols_get_blocks_as_they_are(reader: httpx.Client) -> None:
    sql = "SELECT 1 AS x"
    assert (
        ask(reader, sql, native.FLAGGED - 1) == ask(reader, sql) != ask(reader, sql, native.FLAGGED)
    )


def test_many_blocks(reader: httpx.Client) -> None:
    found = ask(reader, "SELECT 'x' AS c FROM numbers(200000)", native.FLAGGED)
    assert found.count(native._INFO) > 1
    assert found.count(b"\x01x") >= 200_000


def test_what_cannot_be_walked_is_said(reader: httpx.Client) -> None:
    params = {"default_format": "Native", "client_protocol_version": str(native.FLAGGED)}
    answer = reader.post("/", params=params, content="SELECT uniqState(1)")
    assert answer.status_code == 501
    assert "cast it to String" in answer.text


def test_native_compression_is_refused_in_words(reader: httpx.Client) -> None:
    assert reader.get("/", params={"query": "SELECT 1", "compress": "1"}).status_code == 501
