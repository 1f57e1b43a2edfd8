"""Who may run how much at once: connections and threads, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from headrace.local.clickhouse import guard
from headrace.local.clickhouse.connection import Answer, Connection, Insert, Stream
from headrace.local.clickhouse.engine import Engine
from headrace.local.clickhouse.errors import ClickHouseError
from headrace.local.clickhouse.guard import Guard
from headrace.local.clickhouse.request import Query
from headrace.local.clickhouse.statement import Statement

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What reads may take. Writes wait for each other, but not for reads."""

    reads: int = 8
    """Reads at once; further ones wait."""
    wait_s: float = 30.0
    """Longest wait for a free place: a person still waits that long, a worker tries again."""
    read_time_s: int = 60
    read_memory: int = 2 << 30


class Pool:
    """Leases connections. Every method is for the event loop's thread."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.engine = engine
        self.limits = limits
        self.guard: Final = Guard(engine.column("SELECT name FROM system.table_functions"))
        self._reads = asyncio.Semaphore(limits.reads)
        self._writes = asyncio.Semaphore(2)
        self._read_threads = ThreadPoolExecutor(limits.reads, "read")
        self._write_threads = ThreadPoolExecutor(2, "write")

    @asynccontextmanager
    async def lease(self, query: Query) -> AsyncIterator[Lease]:
        """Lend a connection for one query, with its settings and rights."""
        writes = query.user == "writer"
        places = self._writes if writes else self._reads
        threads = self._write_threads if writes else self._read_threads
        try:
            await asyncio.wait_for(places.acquire(), self.limits.wait_s)
        except (TimeoutError, asyncio.TimeoutError):
            raise ClickHouseError(
                202, "Too many simultaneous queries", "TOO_MANY_SIMULTANEOUS_QUERIES"
            ) from None
        try:
            lease = Lease(self, query, threads)
            await lease.open()
            try:
                yield lease
            finally:
                await lease.close()
        finally:
            places.release()

    def close(self) -> None:
        """Wait for what runs, then close the engine."""
        self._read_threads.shutdown()
        self._write_threads.shutdown()
        self.engine.close()


class Lease:
    """A connection that one query has for itself."""

    def __init__(self, pool: Pool, query: Query, threads: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._query = query
        self._threads = threads
        self._connection: Connection
        self.kind = "UNKNOWN"
        """The engine's class of the statement, once judged."""

    async def open(self) -> None:
        self._connection = await self._run(self._open)

    def _open(self) -> Connection:
        limits = self._pool.limits
        rights = {}
        if self._query.user != "writer":
            rights = {
                "max_execution_time": str(limits.read_time_s),
                "max_memory_usage": str(limits.read_memory),
                "readonly": "2",
            }
        connection = self._pool.engine.connect(rights)
        if self._query.database:
            name = self._query.database.replace("\\", "\\\\").replace("`", "\\`")
            connection.query(f"USE `{name}`")
        connection.set(self._query.settings)
        connection.set({f"param_{name}": value for name, value in self._query.bound.items()})
        return connection

    async def judge(self, parsed: Statement) -> None:
        """Refuse what this user may not do. Raises :class:`ClickHouseError`."""
        self._pool.guard.check(parsed.tokens)
        if parsed.is_insert:
            self.kind = "MUTATING"
        else:
            self.kind, count = self._connection.classify(parsed.sql)
            if self.kind == "UNKNOWN":
                await self.query(f"EXPLAIN AST {parsed.sql}", "TabSeparated")  # tells what is wrong
        check = guard.check_writer if self._query.user == "writer" else guard.check_reader
        check(self.kind, parsed.tokens)

    async def query(self, sql: str, fmt: str) -> Answer:
        return await self._run(lambda: self._connection.query(sql, fmt))

    async def stream(self, sql: str, fmt: str) -> Running:
        return Running(self, await self._run(lambda: self._connection.stream(sql, fmt)))

    async def insert(self, head: str, fmt: str) -> Inserting:
        return Inserting(self, await self._run(lambda: self._connection.insert(head, fmt)))

    async def close(self) -> None:
        await self._run(self._connection.close)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


class Running:
    """A SELECT whose pieces are fetched in a thread."""

    def __init__(self, lease: Lease, stream: Stream) -> None:
        self._lease = lease
        self._stream = stream

    async def fetch(self) -> Answer | None:
        return await self._lease._run(self._stream.fetch)

    async def close(self) -> None:
        await self._lease._run(self._stream.close)


class Inserting:
    """An INSERT whose data is taken in a thread."""

    def __init__(self, lease: Lease, insert: Insert) -> None:
        self._lease = lease
        self._insert = insert

    async def append(self, data: bytes) -> None:
        await self._lease._run(lambda: self._insert.append(data))

    async def finish(self) -> Answer:
        return await self._lease._run(self._insert.finish)

    async def cancel(self) -> None:
        await self._lease._run(self._insert.cancel)
