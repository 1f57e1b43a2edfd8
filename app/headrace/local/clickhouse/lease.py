"""A connection that one request has for itself, used from threads and never from the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol, TypeVar

from headrace.local.clickhouse import guard
from headrace.local.clickhouse.connection import Answer, Insert, Piped, Stream
from headrace.local.clickhouse.guard import Guard
from headrace.local.clickhouse.request import Query
from headrace.local.clickhouse.sessions import Session
from headrace.local.clickhouse.statement import Statement

T = TypeVar("T")


class _Pool(Protocol):
    @property
    def guard(self) -> Guard: ...

    async def kill(self, tag: str) -> None: ...


class Lease:
    """Runs one request's statement. Every call ends in a thread; a cancelled one is killed."""

    def __init__(
        self, pool: _Pool, session: Session, threads: ThreadPoolExecutor, *, tag: str
    ) -> None:
        self._pool = pool
        self._session = session
        self._connection = session.connection
        self._threads = threads
        self._tag = tag
        self.broken = False
        """Whether the connection must not be used again."""
        self.kind = "UNKNOWN"
        """The engine's class of the statement, once judged."""

    async def prepare(self, query: Query) -> None:
        """Apply the request's database, settings and bound parameters."""
        await self._run(lambda: self._prepare(query))

    def _prepare(self, query: Query) -> None:
        # At each request of a session: whatever the last one did, this one has its user's rights.
        self._connection.query(f"SET ROLE {query.user}")
        if query.database:
            name = query.database.replace("\\", "\\\\").replace("`", "\\`")
            self._connection.query(f"USE `{name}`")
        if query.session_id:
            self._session.lay_over(query.settings)
        else:
            self._connection.set(query.settings)
        bound = {f"param_{name}": value for name, value in query.bound.items()}
        self._connection.set({**bound, "log_comment": self._tag})

    async def judge(self, parsed: Statement) -> None:
        """Refuse what this user may not do. Raises :class:`ClickHouseError`."""
        self._pool.guard.check(parsed.tokens)
        if parsed.is_insert:
            self.kind = "MUTATING"
        else:
            self.kind = await self._run(lambda: self._classify(parsed.sql))
        check = guard.check_writer if self._session.user == "writer" else guard.check_reader
        check(self.kind, parsed.tokens)
        if self.kind == "CONTROL" and parsed.tokens[0].is_word("SET"):
            await self._run(self._session.uncover)  # or the end of this request would undo it

    def _classify(self, sql: str) -> str:
        kind, _ = self._connection.classify(sql)
        if kind == "UNKNOWN":
            self._connection.query(f"EXPLAIN AST {sql}")  # raises, and says what is wrong where
        return kind

    async def query(self, sql: str, fmt: str) -> Answer:
        """Run a statement to its end."""
        return await self._run(lambda: self._connection.query(sql, fmt), killable=True)

    async def stream(self, sql: str, fmt: str) -> Stream:
        """Start a SELECT."""
        return await self._run(lambda: self._connection.stream(sql, fmt), killable=True)

    async def pipe(self, statement: Callable[[str], str]) -> Piped:
        """Start a SELECT that is written to the file whose name ``statement`` is given."""
        return await self._run(lambda: self._connection.pipe(statement))

    async def fetch(self, stream: Stream | Piped) -> Answer | None:
        """Return the next piece, ``None`` at the end."""
        return await self._run(stream.fetch, killable=True)

    async def stop(self, stream: Stream | Piped) -> None:
        """End a SELECT, at its end or before."""
        await self._run(stream.close)

    async def insert(self, head: str, fmt: str) -> Insert:
        """Start an INSERT."""
        return await self._run(lambda: self._connection.insert(head, fmt))

    async def append(self, insert: Insert, pieces: list[bytes]) -> None:
        """Hand data over, in one go."""
        await self._run(lambda: insert.append(b"".join(pieces)))

    async def finish(self, insert: Insert) -> Answer:
        """End an INSERT: what it returns is on disk."""
        return await self._run(insert.finish)

    async def cancel(self, insert: Insert) -> None:
        """Give an INSERT up, unless it has finished."""
        await self._run(insert.cancel)

    async def _run(self, call: Callable[[], T], *, killable: bool = False) -> T:
        running = asyncio.get_running_loop().run_in_executor(self._threads, call)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # The client is gone. The connection is the thread's until it returns.
            self.broken = True
            await self._settle(running, kill=killable and self.kind == "READ_ONLY")
            raise

    async def _settle(self, running: asyncio.Future[T], *, kill: bool) -> None:
        """Wait for a thread, whoever cancels this. A kill may come before the query is listed."""
        while not running.done():
            with suppress(asyncio.CancelledError):
                if kill:
                    await self._pool.kill(self._tag)
                await asyncio.wait({running}, timeout=0.5)
        running.exception()  # nobody asks for it any more
