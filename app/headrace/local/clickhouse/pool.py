"""Who may run how much at once: connections, threads and time, bounded."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from headrace.local.clickhouse.connection import Connection, quote
from headrace.local.clickhouse.engine import Engine
from headrace.local.clickhouse.errors import ClickHouseError
from headrace.local.clickhouse.guard import Guard
from headrace.local.clickhouse.lease import Lease
from headrace.local.clickhouse.request import Query
from headrace.local.clickhouse.sessions import Session, Sessions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What may run at once, and what a reader's query may take."""

    reads: int = 8
    """Reads at once; further ones wait. Writes never wait for reads."""
    writes: int = 2
    checks: int = 2
    """Reads of the writer at once: workers look at what is there, readers do not starve them."""
    wait_s: float = 30.0
    """Longest wait for a place: a person waits that long, and a worker tries again later."""
    read_time_s: int = 60
    """``max_execution_time`` of a reader that asks for nothing else."""
    read_memory: int = 1 << 30
    """``max_memory_usage`` of the same, in bytes."""


class _Lane:
    """Places, and a thread for each."""

    def __init__(self, size: int, name: str) -> None:
        self.places = asyncio.Semaphore(size)
        self.threads = ThreadPoolExecutor(size, name)


class Pool:
    """Lends connections. Every method is for the event loop's thread; none of them blocks it."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.engine: Final = engine
        self.limits: Final = limits
        self.guard: Final = Guard(
            engine.column("SELECT name FROM system.table_functions"),
            engine.column("SELECT name FROM system.functions"),
        )
        self._sessions = Sessions()
        self._tags = itertools.count(1)
        self._reads = _Lane(limits.reads, "read")
        self._writes = _Lane(limits.writes, "write")
        self._checks = _Lane(limits.checks, "check")
        self._control = ThreadPoolExecutor(1, "control")
        self._killer = engine.connect({})

    @asynccontextmanager
    async def lease(self, query: Query, *, writes: bool) -> AsyncIterator[Lease]:
        """Lend a connection with the query's settings and its user's rights.

        Raises :class:`ClickHouseError`: 202 where no place came free in time, or the engine's own.
        """
        lane = self._writes if writes else self._checks
        if query.user != "writer":
            lane = self._reads
        try:
            await asyncio.wait_for(lane.places.acquire(), self.limits.wait_s)
        except (TimeoutError, asyncio.TimeoutError):
            raise ClickHouseError(
                202, "Too many simultaneous queries", "TOO_MANY_SIMULTANEOUS_QUERIES"
            ) from None
        try:
            async with self._connection(query, lane.threads) as lease:
                yield lease
        finally:
            lane.places.release()

    @asynccontextmanager
    async def _connection(self, query: Query, threads: ThreadPoolExecutor) -> AsyncIterator[Lease]:
        for gone in self._sessions.expired():
            await self._run(gone.close)
        kept = self._sessions.find(query) if query.session_id else None
        made = kept is None
        try:
            session = kept or Session(await self._run(lambda: self._connect(query)), query.user)
        except BaseException:
            self._sessions.drop(query)
            raise
        lease = Lease(self, session, threads, tag=f"headrace-{next(self._tags)}")
        try:
            if made and query.session_id:
                self._sessions.add(query, session)
            await lease.prepare(query)
            yield lease
        finally:
            if query.session_id and not lease.broken:
                self._sessions.release(query, session)
            else:
                self._sessions.drop(query)
                await self._run(session.connection.close)

    def _connect(self, query: Query) -> Connection:
        if query.user == "writer":
            return self.engine.connect({})
        return self.engine.connect(
            {
                "max_execution_time": str(self.limits.read_time_s),
                "max_memory_usage": str(self.limits.read_memory),
                "readonly": "2",
            }
        )

    async def kill(self, tag: str) -> None:
        """Stop the query that runs under a tag, if it still does."""
        sql = f"KILL QUERY WHERE Settings['log_comment'] = {quote(tag)} ASYNC"
        with suppress(ClickHouseError):
            await self._run(lambda: self._killer.query(sql))

    async def _run(self, call: Callable[[], T]) -> T:
        running = asyncio.get_running_loop().run_in_executor(self._control, call)
        return await asyncio.shield(running)

    def close(self) -> None:
        """Wait for what runs, then close the engine. Blocks."""
        for lane in (self._reads, self._writes, self._checks):
            lane.threads.shutdown()
        self._control.shutdown()
        for connection in (*self._sessions.close(), self._killer):
            connection.close()
        self.engine.close()
