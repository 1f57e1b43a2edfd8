"""The sink against a real (local) ClickHouse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from clickhouse_connect.driver.client import Client

from headrace.events.errors import Poison, Retryable
from headrace.events.settings import ClickHouseSettings
from headrace.sinks.clickhouse import INSERT_SETTINGS, ClickHouseSink
from headrace.sinks.clickhouse_errors import MEMORY_LIMIT_EXCEEDED
from tests.stack.clickhouse import running_clickhouse
from tests.support import unique


def line(tenant: str, seq: int, /, **changes: Any) -> bytes:
    envelope: dict[str, Any] = {
        "v": 1,
        "tenant": tenant,
        "session": "s-1",
        "epoch": "00000000000000aa",
        "seq": seq,
        "ts": 1_764_000_000.25,
        "type": "llm_text",
        "data": {"chunk": "hello"},
    }
    envelope.update(changes)
    return orjson.dumps({name: value for name, value in envelope.items() if value is not ...})


class Told(dict[int, Poison]):
    def __call__(self, index: int, poison: Poison) -> None:
        self[index] = poison


@pytest.fixture
async def sink(tables: ClickHouseSettings) -> AsyncIterator[ClickHouseSink]:
    made = ClickHouseSink(tables)
    yield made
    await made.close()


def rows(client: Client, tenant: str, what: str = "count()") -> Any:
    return client.query(
        f"SELECT {what} FROM events WHERE tenant = {{tenant:String}} ORDER BY ALL",
        {"tenant": tenant},
    ).result_rows


async def test_what_is_written_is_there_once_however_often(
    sink: ClickHouseSink, client: Client
) -> None:
    tenant, told = unique(), Told()
    values = [line(tenant, seq) for seq in range(1, 101)]
    for _ in range(3):
        assert await sink.write(values, told) == 100
    assert rows(client, tenant) == [(100,)]
    assert not told


async def test_data_is_kept_to_the_byte(sink: ClickHouseSink, client: Client) -> None:
    tenant = unique()
    hostile = [
        b'{ "a" : 1,  "z":[ 1,2 ] }',
        b'{"a.b":1,"a":{"b":2}}',
        b'{"k":1,"k":2}',
        b'{"big":123456789012345678901234567890,"x":1e400}',
        '{"text":"\u00e4\\u0000\\ud83d\\ude00 }{ },{"}'.encode(),
        b'{"deep":' + b"[" * 200 + b"]" * 200 + b"}",
        b"{}",
    ]
    values = [
        line(tenant, seq, data=...)[:-1] + b',"data":' + data + b"}"
        for seq, data in enumerate(hostile, 1)
    ]
    told = Told()
    assert await sink.write(values, told) == len(hostile), told
    found = [data.encode() for (data,) in rows(client, tenant, "data")]
    assert sorted(found) == sorted(hostile)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tenant": ""}, "tenant is empty"),
        ({"session": ""}, "session is empty"),
        ({"session": ...}, "session is empty"),
        ({"session": None}, "session is empty"),
        ({"epoch": ""}, "epoch is empty"),
        ({"seq": 0}, "seq is less than 1"),
        ({"seq": ...}, "seq is less than 1"),
        ({"seq": -1}, ""),
        ({"ts": 1_764_000_000_000}, "ts is not in seconds"),
        ({"ts": -1}, "ts is not in seconds"),
        ({"type": ""}, "type is empty"),
        ({"data": ...}, "data is not an object"),
        ({"data": [1]}, ""),
        ({"tenant": 5}, ""),
        ({"tenant": True}, ""),
    ],
    ids=str,
)
async def test_what_has_no_identity_is_refused(
    sink: ClickHouseSink, client: Client, changes: dict[str, Any], reason: str
) -> None:
    tenant, told = unique(), Told()
    bad = line(tenant, 2, **changes)
    assert await sink.write([line(tenant, 1), bad, line(tenant, 3)], told) == 2
    assert list(told) == [1]
    assert reason in told[1].reason
    assert told[1].code is not None
    assert "hello" not in told[1].reason
    assert rows(client, tenant) == [(2,)]


@pytest.mark.parametrize(
    "seq",
    [
        *(b"18446744073709551616", b"18446744073709551617", b"99999999999999999999"),
        *(b"1" + b"0" * 400, b"1.5", b"1.0", b"1e3", b'"7"', b'"18446744073709551617"', b'"x"'),
        *(b"-1", b"-0", b"+3", b"007", b"null", b"true", b"[1]", b"{}"),
        b'1,"seq":18446744073709551617',
        b'18446744073709551617,"seq":1',
    ],
    ids=lambda seq: seq.decode()[:25],
)
@pytest.mark.parametrize("key", [b'"seq":', b'"seq" : ', b'"\\u0073eq":', b'"s\\u0065q":'])
async def test_a_seq_is_never_bent(
    sink: ClickHouseSink, client: Client, key: bytes, seq: bytes
) -> None:
    tenant, told = unique(), Told()
    bad = line(tenant, 2).replace(b'"seq":2', key + seq)
    assert await sink.write([line(tenant, 1), bad, line(tenant, 3)], told) == 2
    assert list(told) == [1]
    assert told[1].reason
    assert rows(client, tenant, "arraySort(groupArray(seq))") == [([1, 3],)]


async def test_the_largest_seq_lands_however_it_is_written(
    sink: ClickHouseSink, client: Client
) -> None:
    tenant, told = unique(), Told()
    data = {"seq": "x", "inner": {"seq": 5.5}, "text": "\x01\\u0073"}
    value = line(tenant, 2, data=data).replace(b'"seq":2,', b'"seq" : 18446744073709551615 ,')
    assert await sink.write([value], told) == 1
    assert rows(client, tenant, "seq") == [(2**64 - 1,)]


@pytest.mark.parametrize(
    "make",
    [
        lambda t: line(t, 7) + line(t, 8),
        lambda t: line(t, 7) + b"\n" + line(t, 8),
        lambda t: line(t, 7) + b" , " + line(t, 8),
        lambda t: b"[" + line(t, 7) + b"]",
        lambda t: line(t, 7)[:-1],
        lambda t: line(t, 7)[:-2] + b'"}',
        lambda t: line(t, 7).replace(b"hello", b"\xff\xfe"),
        lambda _: b"",
        lambda _: b"null",
    ],
)
async def test_no_row_is_smuggled_in(sink: ClickHouseSink, client: Client, make: Any) -> None:
    tenant, told = unique(), Told()
    for place in range(3):
        values = [line(tenant, 1), line(tenant, 2)]
        values.insert(place, make(tenant))
        told.clear()
        assert await sink.write(values, told) == 2
        assert list(told) == [place]
    assert rows(client, tenant, "seq") == [(1,), (2,)]


async def test_a_tombstone_is_told_and_the_rest_lands(sink: ClickHouseSink, client: Client) -> None:
    tenant, told = unique(), Told()
    assert await sink.write([None, line(tenant, 1), None], told) == 1
    assert sorted(told) == [0, 2]


async def test_events_of_many_years_land(sink: ClickHouseSink, client: Client) -> None:
    tenant, told = unique(), Told()
    values = [line(tenant, seq, ts=seq * 7 * 86_400) for seq in range(1, 301)]
    assert await sink.write(values, told) == 300
    assert rows(client, tenant) == [(300,)]


async def test_two_events_under_one_identity_stay_two(sink: ClickHouseSink, client: Client) -> None:
    tenant = unique()
    await sink.write([line(tenant, 1), line(tenant, 1, data={"chunk": "other"})], Told())
    assert rows(client, tenant) == [(2,)]


async def test_texts_that_folding_makes_long_land_by_halves(
    sink: ClickHouseSink, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, told = unique(), Told()
    text = ("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 100 + "\\") * 300
    values = [line(tenant, seq, type="note", data={"text": text}) for seq in range(1, 9)]

    def allow(mebibytes: int) -> None:
        monkeypatch.setitem(INSERT_SETTINGS, "max_memory_usage", mebibytes << 20)

    allow(80)
    with pytest.raises(Retryable) as raised:
        await sink._insert_whole(values)
    assert raised.value.code == MEMORY_LIMIT_EXCEEDED
    assert await sink.write(values, told) == 8
    assert rows(client, tenant, "count(), uniq(data)") == [(8, 1)]
    assert not told
    allow(5)
    with pytest.raises(Retryable, match="memory"):
        await sink.write(values, told)


async def test_without_tables_it_says_what_to_do(tmp_path: Path) -> None:
    with running_clickhouse(tmp_path) as server:
        sink = ClickHouseSink(ClickHouseSettings(server.writer_url))
        with pytest.raises(Retryable, match="headrace schema apply"):
            await sink.write([line("t", 1)], Told())
        await sink.close()


async def test_a_server_that_is_away_is_retryable() -> None:
    sink = ClickHouseSink(ClickHouseSettings("http://writer:secret@127.0.0.1:9/headrace"))
    with pytest.raises(Retryable) as raised:
        await sink.write([line("t", 1)], Told())
    assert "secret" not in str(raised.value)
    assert not await sink.healthy()
    await sink.close()


async def test_a_working_server_is_healthy(sink: ClickHouseSink) -> None:
    assert await sink.healthy()
