"""The HTTP interface: reads a request, has it judged and run, and answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from aiohttp import web

from headrace.local.clickhouse import auth, body, formats, statement
from headrace.local.clickhouse.answer import Answering
from headrace.local.clickhouse.auth import Credentials
from headrace.local.clickhouse.errors import ClickHouseError, readonly
from headrace.local.clickhouse.lease import Lease
from headrace.local.clickhouse.pool import Pool
from headrace.local.clickhouse.request import read as read_query
from headrace.local.clickhouse.statement import Statement

QUERY_LIMIT: Final = 1 << 20
"""Bytes of a statement that is not an INSERT with data (ClickHouse: ``max_query_size``)."""
INSERT_PIECE: Final = 8 << 20
"""Bytes of an INSERT's data that are gathered before a place among the writes is asked for."""
_log = logging.getLogger(__name__)
_QUERY: Final = "headrace_query"


class Server:
    """Answers ClickHouse's HTTP interface from a pool of chDB connections."""

    def __init__(self, pool: Pool, credentials: Credentials) -> None:
        self._pool = pool
        self._credentials = credentials
        self.port = 0
        """Set once the socket is bound: the Host header is checked against it."""
        self._writes: set[int] = set()
        self._no_writes = asyncio.Event()
        self._stopping = False

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._errors], client_max_size=QUERY_LIMIT)
        app.router.add_get("/ping", _ping)
        app.router.add_get("/replicas_status", _ping)
        app.router.add_get("/", self._root)
        app.router.add_post("/", self._root)
        return app

    async def drain(self, timeout_s: float) -> None:
        """Take no more requests, and wait for the writes that run, but not for ever.

        aiohttp's own shutdown drops the rest of a body that is on its way.
        """
        self._stopping = True
        self._settle()
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(self._no_writes.wait(), timeout_s)

    def _settle(self, asked: web.Request | None = None) -> None:
        """Forget a request that has ended or is no write."""
        if asked is not None:
            self._writes.discard(id(asked))
        if self._stopping and not self._writes:
            self._no_writes.set()

    def _admit(self, asked: web.Request) -> None:
        auth.check_origin(asked.headers, self.port)
        if self._stopping:
            raise ClickHouseError(210, "The server stops", "NETWORK_ERROR", status=503)
        self._writes.add(id(asked))  # until it is known to be no write

    @web.middleware
    async def _errors(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            self._admit(request)
            return await handler(request)
        except ClickHouseError as error:
            return self._answering(request).failed(error)
        except (web.HTTPException, OSError):
            raise
        except Exception:
            _log.exception("a request failed in a way that nobody foresaw")
            unforeseen = ClickHouseError(49, "Internal error: see the log", "LOGICAL_ERROR")
            return self._answering(request).failed(unforeseen)
        finally:
            self._settle(request)

    async def _root(self, asked: web.Request) -> web.StreamResponse:
        if asked.method == "GET" and not asked.query:
            return web.Response(text="Ok.\n")
        user = auth.authenticate(self._credentials, asked.headers, asked.query)
        form = await body.read_form(asked)
        params = {**asked.query, **form}
        query = asked[_QUERY] = read_query(user, params, asked.headers)
        text = params.get("query", "").encode("utf-8", "surrogateescape")
        data = body.pieces(asked) if not form else body.nothing()
        parsed, pieces = await _parse(text, data)
        if not parsed.writes:
            self._settle(asked)
        answering = self._answering(asked)
        async with self._pool.lease(query, writes=parsed.writes) as lease:
            await lease.judge(parsed)
            if asked.method == "GET" and lease.kind == "MUTATING":
                raise readonly("Cannot execute query in readonly mode. Use POST to change data.")
            if parsed.data_format is not None:
                return await _insert(answering, lease, parsed, pieces, data)
            fmt = parsed.output_format or query.default_format
            return await answering.run(lease, parsed, fmt)

    def _answering(self, asked: web.Request) -> Answering:
        return Answering(
            asked,
            asked.get(_QUERY),
            timezone=self._pool.engine.timezone,
            version=self._pool.engine.version,
            started=time.monotonic_ns(),
        )


async def _ping(_asked: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


async def _parse(text: bytes, data: AsyncIterator[bytes]) -> tuple[Statement, list[bytes]]:
    """Read as much of the body as the statement takes; return both, with the data that came.

    A body is megabytes: it stays in the pieces that it came in until chDB takes it.
    """
    pieces = [text + b"\n"] if text else []
    size = len(text)
    async for piece in data:
        pieces.append(piece)
        size += len(piece)
        if size >= INSERT_PIECE:
            break
    insert = statement.parse_insert(_beginning(pieces, statement.HEAD_LIMIT))
    if insert is not None:
        return insert, _behind(pieces, insert.data_start)
    if size > QUERY_LIMIT:
        raise ClickHouseError(
            229, f"The query is longer than {QUERY_LIMIT} bytes", "QUERY_IS_TOO_LARGE"
        )
    return await asyncio.to_thread(statement.parse, b"".join(pieces)), []


def _beginning(pieces: list[bytes], size: int) -> bytes:
    taken, have = [], 0
    for piece in pieces:
        taken.append(piece[: size - have])
        have += len(taken[-1])
        if have >= size:
            break
    return b"".join(taken)


def _behind(pieces: list[bytes], start: int) -> list[bytes]:
    for at, piece in enumerate(pieces):
        if start < len(piece):
            return [piece[start:], *pieces[at + 1 :]]
        start -= len(piece)
    return []


async def _insert(
    answering: Answering,
    lease: Lease,
    parsed: Statement,
    pieces: list[bytes],
    data: AsyncIterator[bytes],
) -> web.Response:
    insert = await lease.insert(parsed.sql, parsed.data_format or formats.DEFAULT)
    try:
        size = sum(map(len, pieces))
        async for piece in data:
            pieces.append(piece)
            size += len(piece)
            if size >= INSERT_PIECE:
                await lease.append(insert, pieces)
                pieces, size = [], 0
        if pieces:
            await lease.append(insert, pieces)
        done = await lease.finish(insert)
    except BaseException:
        await lease.cancel(insert)
        raise
    return answering.whole(done, formats.DEFAULT)
