"""The HTTP interface: one handler that reads, judges, runs and answers."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiohttp import web

from headrace.local.clickhouse import auth, codecs, formats, guard, request, statement
from headrace.local.clickhouse.auth import Credentials
from headrace.local.clickhouse.connection import Answer
from headrace.local.clickhouse.errors import ClickHouseError
from headrace.local.clickhouse.pool import Lease, Pool
from headrace.local.clickhouse.request import Query
from headrace.local.clickhouse.statement import Statement

QUERY_LIMIT: Final = 16 << 20
"""Bytes of a statement that is not an INSERT with data."""
INSERT_PIECE: Final = 4 << 20
"""Bytes of an INSERT's data that are gathered before chDB gets them."""
_log = logging.getLogger(__name__)


class Server:
    """Answers ClickHouse's HTTP interface from a pool of chDB connections."""

    def __init__(self, pool: Pool, credentials: Credentials) -> None:
        self._pool = pool
        self._credentials = credentials
        self.port = 0
        """Set once the socket is bound: the Host header is checked against it."""

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._errors])
        app.router.add_get("/ping", self._ping)
        app.router.add_get("/replicas_status", self._ping)
        app.router.add_get("/", self._query)
        app.router.add_post("/", self._query)
        return app

    @web.middleware
    async def _errors(self, asked: web.Request, handler: Any) -> web.StreamResponse:
        try:
            auth.check_origin(asked.headers, self.port)
            answer: web.StreamResponse = await handler(asked)
        except ClickHouseError as error:
            return self._failed(error)
        return answer

    async def _ping(self, _asked: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _query(self, asked: web.Request) -> web.StreamResponse:
        started = time.monotonic_ns()
        user = auth.authenticate(self._credentials, asked.headers, asked.query)
        params: dict[str, str] = dict(asked.query)
        body = _body(asked)
        query = request.read(user, params, asked.headers)
        text = params.get("query", "").encode("utf-8", "surrogateescape")
        if text:
            text += b"\n"
        text, body = await _head(text, body)
        parsed = statement.parse(text)
        if not parsed.is_insert:
            text = await _rest(text, body)
            parsed = statement.parse(text)
        async with self._pool.lease(query) as lease:
            await lease.judge(parsed)
            if parsed.is_insert:
                return await self._insert(query, parsed, lease, text, body, started)
            if asked.method == "GET" and lease.kind != "READ_ONLY":
                raise guard.readonly("Cannot execute query in readonly mode: use POST to change.")
            return await self._read(asked, query, parsed, lease, started)

    async def _insert(
        self,
        query: Query,
        parsed: Statement,
        lease: Lease,
        text: bytes,
        body: AsyncIterator[bytes],
        started: int,
    ) -> web.Response:
        assert parsed.data_format is not None  # noqa: S101 - is_insert
        running = await lease.insert(parsed.sql, parsed.data_format)
        try:
            piece = bytearray(text[parsed.data_start :])
            async for more in body:
                piece += more
                if len(piece) >= INSERT_PIECE:
                    await running.append(bytes(piece))
                    piece.clear()
            if piece:
                await running.append(bytes(piece))
            done = await running.finish()
        except BaseException:
            await running.cancel()
            raise
        headers = self._headers(query, formats.DEFAULT) | {
            "X-ClickHouse-Summary": _summary(done, started)
        }
        return web.Response(body=b"", headers=headers)

    async def _read(
        self, asked: web.Request, query: Query, parsed: Statement, lease: Lease, started: int
    ) -> web.StreamResponse:
        fmt = parsed.output_format or query.default_format
        headers = self._headers(query, fmt)
        encoding = codecs.choose(asked.headers.get("Accept-Encoding", ""))
        if asked.query.get("enable_http_compression", "0") not in ("1", "true"):
            encoding = None
        packer = codecs.compressor(encoding)
        if encoding:
            headers["Content-Encoding"] = encoding
        if not (lease.kind == "READ_ONLY" and parsed.is_select and formats.is_streamed(fmt)):
            answer = await lease.query(parsed.sql, fmt)
            headers["X-ClickHouse-Summary"] = _summary(answer, started)
            return web.Response(body=packer.compress(answer.data) + packer.flush(), headers=headers)
        running = await lease.stream(parsed.sql, fmt)
        try:
            piece = await running.fetch()
            response = web.StreamResponse(headers=headers)
            response.enable_chunked_encoding()
            await response.prepare(asked)
            while piece is not None:
                await response.write(packer.compress(piece.data))
                piece = await running.fetch()
            await response.write(packer.flush())
            await response.write_eof()
        finally:
            await running.close()
        return response

    def _headers(self, query: Query | None, fmt: str) -> dict[str, str]:
        found = {
            "X-ClickHouse-Server-Display-Name": "headrace",
            "X-ClickHouse-Timezone": self._pool.engine.timezone,
            "X-ClickHouse-Format": fmt,
            "Content-Type": formats.content_type(fmt),
        }
        if query is not None:
            found["X-ClickHouse-Query-Id"] = query.query_id
        return found

    def _failed(self, error: ClickHouseError) -> web.Response:
        headers = self._headers(None, formats.DEFAULT)
        headers["X-ClickHouse-Exception-Code"] = str(error.code)
        headers["Content-Type"] = "text/plain; charset=UTF-8"
        if error.status == 401:  # noqa: PLR2004
            headers["WWW-Authenticate"] = 'Basic realm="headrace"'
        version = f" (version {self._pool.engine.version})"
        return web.Response(status=error.status, text=f"{error}{version}\n", headers=headers)


def _body(asked: web.Request) -> AsyncIterator[bytes]:
    return _unpacked(asked, codecs.Decompressor(asked.headers.get("Content-Encoding", "")))


async def _unpacked(asked: web.Request, unpacker: codecs.Decompressor) -> AsyncIterator[bytes]:
    async for data in asked.content.iter_chunked(1 << 18):
        for piece in unpacker.feed(data):
            yield piece
    unpacker.finish()


async def _head(text: bytes, body: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    while len(text) < statement.HEAD_LIMIT:
        more = await anext(body, None)
        if more is None:
            break
        text += more
    return text, body


async def _rest(text: bytes, body: AsyncIterator[bytes]) -> bytes:
    async for more in body:
        text += more
        if len(text) > QUERY_LIMIT:
            raise ClickHouseError(
                307, f"The query is longer than {QUERY_LIMIT} bytes", "TOO_MANY_BYTES", status=413
            )
    return text


def _summary(answer: Answer, started: int) -> str:
    found: Mapping[str, int] = {
        "read_rows": answer.read_rows,
        "read_bytes": answer.read_bytes,
        "written_rows": answer.written_rows,
        "written_bytes": answer.written_bytes,
        "total_rows_to_read": 0,
        "result_rows": answer.rows or answer.written_rows,
        "result_bytes": len(answer.data) or answer.written_bytes,
        "elapsed_ns": time.monotonic_ns() - started,
    }
    return json.dumps({name: str(value) for name, value in found.items()}, separators=(",", ":"))
