"""What was sealed is found in ClickHouse: once, until it falls due, whatever ClickHouse does."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from clickhouse_connect.driver.client import Client

from headrace.events.errors import Poison, Retryable
from headrace.events.settings import ClickHouseSettings
from headrace.sinks import schema
from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.vault import Vault
from headrace.sinks.base import Refused, Values
from headrace.sinks.clickhouse import ClickHouseSink
from headrace.sinks.connection import connect
from headrace.sinks.tables import AUDIT
from headrace.streams.seal.rows import Rows, last_index, rows_of
from headrace.streams.worker_metrics import Metrics
from tests.audit.log import AuditLog
from tests.seal.rig import WrittenLog
from tests.seal.sealer import Sealer
from tests.seal.signing import Signing
from tests.support import unique, wait_until


@pytest.fixture
def log() -> WrittenLog:
    return WrittenLog(3, unique(), f"{secrets.token_hex(8)}-3")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(DirectoryPlace(tmp_path))


@pytest.fixture
def client(clickhouse: ClickHouseSettings) -> Iterator[Client]:
    schema.apply(clickhouse)
    client = connect(clickhouse)
    yield client
    client.close()


@asynccontextmanager
async def running(rows: Rows) -> AsyncIterator[None]:
    task = asyncio.create_task(rows.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await rows.close()


def found(client: Client, log: WrittenLog) -> list[Any]:
    query = "SELECT `index`, leaf, hash FROM audit WHERE log = {log:String} ORDER BY `index`"
    return [tuple(row) for row in client.query(query, {"log": log.name}).result_rows]


def sealed(vault: Vault, log: WrittenLog, *sizes: int) -> list[Any]:
    """Write and seal so many leaves more; return the rows that this makes in all."""
    records = AuditLog()
    records.claim(b"w")
    records.write(b"w", log.leaves)
    for size in sizes:
        records.write(b"w", log.more(size))
        sealer = Sealer(vault.place, Signing())
        sealer.read(records.records)
        sealer.seal()
    every = enumerate(log.leaves)
    return [(at, one.decode(), leaf_hash(one).hex()) for at, one in every]


async def test_each_leaf_is_a_row_once_and_a_new_clickhouse_is_filled(
    vault: Vault, log: WrittenLog, clickhouse: ClickHouseSettings, client: Client
) -> None:
    want = sealed(vault, log, 3, 4, 2)
    asks = last_index(clickhouse)
    for last in (asks, asks, lambda _log: None):
        rows = Rows(vault, ClickHouseSink(clickhouse, AUDIT), last, Metrics())
        async with running(rows):
            rows.tell(log.name)
            await wait_until(partial(is_at, rows, log, len(want)), what="all of it is inserted")
            assert found(client, log) == want
            want = sealed(vault, log, 1)
            rows.tell(log.name)
            await wait_until(partial(is_at, rows, log, len(want)), what="one more")
            assert found(client, log) == want


async def test_a_worker_begins_where_clickhouse_ends(
    vault: Vault, log: WrittenLog, clickhouse: ClickHouseSettings, client: Client
) -> None:
    sealed(vault, log, 3, 4, 2)
    sink = Sink([])
    rows = Rows(vault, sink, lambda _log: 4, Metrics())
    async with running(rows):
        rows.tell(log.name)
        await wait_until(lambda: len(sink.got) == 6, what="from the segment on that holds it")
    assert sink.got[0].startswith(b'{"log":"%b","index":3' % log.name.encode())


async def test_clickhouse_away_is_waited_for(vault: Vault, log: WrittenLog) -> None:
    sealed(vault, log, 3)
    sink = Sink([Retryable("away"), Retryable("away"), Poison("odd")])
    metrics = Metrics()
    rows = Rows(vault, sink, lambda _log: None, metrics)
    async with running(rows):
        rows.tell(log.name)
        await wait_until(lambda: rows.trouble, what="it waits")
        await wait_until(lambda: not rows.trouble and len(sink.got) == 3, what="it has them")
    text = metrics.render()[0]
    assert b'headrace_seal_rows_total{outcome="landed"} 2.0' in text
    assert b'headrace_seal_rows_total{outcome="refused"} 1.0' in text


def test_what_fell_due_is_no_row(vault: Vault, log: WrittenLog) -> None:
    sealed(vault, log, 12)
    seal = next(vault.seals(log.name))
    dates = sorted(one.retain_until for one in seal.classes if one.retain_until is not None)
    due = sum(one.count for one in seal.classes if one.retain_until == dates[0])
    assert len(rows_of(vault, seal, dates[0] - 1)) == 4
    assert len(rows_of(vault, seal, dates[0])) == 4 - due


async def test_a_date_beyond_what_clickhouse_can_hold_is_kept(
    vault: Vault, log: WrittenLog, clickhouse: ClickHouseSettings, client: Client
) -> None:
    sealed(vault, log, 2)
    (seal,) = vault.seals(log.name)
    lines = rows_of(vault, seal, 0.0)
    far = [orjson.dumps(orjson.loads(line) | {"retain_until": 5e9}) for line in lines]
    past = [orjson.dumps(orjson.loads(line) | {"retain_until": 5.0, "index": 9}) for line in lines]
    sink = ClickHouseSink(clickhouse, AUDIT)
    await sink.write([*far, *past], lambda *_: None)
    await sink.close()
    client.command("OPTIMIZE TABLE audit_raw FINAL")
    assert [index for index, *_ in found(client, log)] == [0, 1]


class Sink:
    """Takes all but what it is told to fail with, in turn."""

    def __init__(self, faults: list[Exception]) -> None:
        self._faults = faults
        self.got: list[bytes] = []

    async def write(self, values: Values, refused: Refused) -> int:
        fault = self._faults.pop(0) if self._faults else None
        if isinstance(fault, Retryable):
            raise fault
        self.got += [value for value in values if value is not None]
        if isinstance(fault, Poison):
            refused(0, fault)
            return len(values) - 1
        return len(values)

    async def healthy(self) -> bool:
        return True

    async def close(self) -> None:
        pass


def is_at(rows: Rows, log: WrittenLog, index: int) -> bool:
    return rows._next[log.name] == index
