"""A response: headers, compression, streaming, and errors before and in the middle of it."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from aiohttp import web

from headrace.local.clickhouse import codecs, formats, native
from headrace.local.clickhouse.connection import Answer, Piped, Stream
from headrace.local.clickhouse.errors import ClickHouseError
from headrace.local.clickhouse.lease import Lease
from headrace.local.clickhouse.request import ON, Query
from headrace.local.clickhouse.statement import Statement

HELD: Final = 1 << 20
"""Bytes held back: an answer up to here has a summary, and its errors have a status."""
HELD_WAITING: Final = 16 << 20
"""The same for a client that sent ``wait_end_of_query``."""
STALL_S: Final = 120.0
"""Longest time that a client may take for one piece: after that its place is needed."""
_Shape = Callable[[bytes], Awaitable[bytes]]


class Answering:
    """Makes one request's response."""

    def __init__(
        self,
        asked: web.Request,
        query: Query | None,
        *,
        timezone: str,
        version: str,
        started: int,
    ) -> None:
        """Take the request; ``started``: ``time.monotonic_ns()`` when it came."""
        self._asked = asked
        self._query = query
        self._timezone = timezone
        self._version = version
        self._started = started
        accepted = asked.headers.get("Accept-Encoding", "")
        wanted = asked.query.get("enable_http_compression", "0") in ON
        self._encoding = codecs.choose(accepted) if wanted else None

    async def run(self, lease: Lease, parsed: Statement, fmt: str) -> web.StreamResponse:
        """Run a judged statement that is no INSERT with data, and answer."""
        reframed = self._query is not None and self._query.reframed
        shape = _reframed if reframed and formats.canonical(fmt) == "native" else _as_it_is
        reads = lease.kind == "READ_ONLY" and parsed.is_select
        stream: Stream | Piped
        if reads and formats.is_piped(fmt):
            stream = await lease.pipe(lambda file: parsed.into(file, fmt))
        elif reads and formats.is_streamed(fmt):
            stream = await lease.stream(parsed.sql, fmt)
        else:
            answer = await lease.query(parsed.sql, fmt)
            return self.whole(replace(answer, data=await shape(answer.data)), fmt)
        source = _Source(lease, stream, fmt, shape)
        try:
            waiting = self._asked.query.get("wait_end_of_query", "0") in ON
            held = await source.gather(HELD_WAITING if waiting else HELD)
            if source.ended and not held and formats.has_header(fmt):
                # No block, so no header either: only the whole answer has one.
                return self.whole(await lease.query(parsed.sql, fmt), fmt)
            if source.ended:
                return self.whole(source.answer(held), fmt)
            return await self._streamed(source, held, fmt)
        finally:
            await source.close()

    async def _streamed(self, source: _Source, held: bytes, fmt: str) -> web.StreamResponse:
        response = web.StreamResponse(headers=self._headers(fmt))
        tag = response.headers["X-ClickHouse-Exception-Tag"]
        response.enable_chunked_encoding()
        await response.prepare(self._asked)
        packer = codecs.compressor(self._encoding)
        try:
            piece: bytes | None = held
            while piece is not None:
                await _write(response, packer.compress(piece))
                piece = await source.next()
        except ClickHouseError as error:
            await _write(response, packer.compress(_trailer(error, tag)) + packer.flush())
            self._cut_off()
            return response
        await _write(response, packer.flush())
        await response.write_eof()
        return response

    def _cut_off(self) -> None:
        """Close without the last chunk: every client sees that the answer is not whole."""
        if self._asked.transport is not None:
            self._asked.transport.close()

    def whole(self, answer: Answer, fmt: str) -> web.Response:
        """Make the response of an answer that is all there."""
        packer = codecs.compressor(self._encoding)
        headers = self._headers(fmt)
        headers["X-ClickHouse-Summary"] = self._summary(answer)
        return web.Response(body=packer.compress(answer.data) + packer.flush(), headers=headers)

    def failed(self, error: ClickHouseError) -> web.Response:
        """Make the response of an error."""
        text = f"{error} (version {self._version})"
        headers = self._headers(formats.DEFAULT)
        headers.pop("Content-Encoding", None)
        headers["X-ClickHouse-Exception-Code"] = str(error.code)
        headers["Content-Type"] = "text/plain; charset=UTF-8"
        if error.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Basic realm="headrace"'
        return web.Response(status=error.status, text=f"{text}\n", headers=headers)

    def _headers(self, fmt: str) -> dict[str, str]:
        found = {
            "X-ClickHouse-Server-Display-Name": "headrace",
            "X-ClickHouse-Timezone": self._timezone,
            "X-ClickHouse-Format": fmt,
            "X-ClickHouse-Exception-Tag": secrets.token_hex(8),
            "Content-Type": formats.content_type(fmt),
        }
        if self._query is not None:
            found["X-ClickHouse-Query-Id"] = self._query.query_id
        if self._encoding:
            found["Content-Encoding"] = self._encoding
        return found

    def _summary(self, answer: Answer) -> str:
        found = {
            "read_rows": answer.read_rows,
            "read_bytes": answer.read_bytes,
            "written_rows": answer.written_rows,
            "written_bytes": answer.written_bytes,
            "total_rows_to_read": 0,
            "result_rows": answer.rows or answer.written_rows,
            "result_bytes": len(answer.data) or answer.written_bytes,
            "elapsed_ns": time.monotonic_ns() - self._started,
        }
        texts = {name: str(value) for name, value in found.items()}
        return json.dumps(texts, separators=(",", ":"))


class _Source:
    """A SELECT's pieces, with the columns' names only before the first."""

    def __init__(self, lease: Lease, stream: Stream | Piped, fmt: str, shape: _Shape) -> None:
        self._lease = lease
        self._stream = stream
        self._fmt = fmt
        self._shape = shape
        self._first = True
        self._rows = self._read_rows = self._read_bytes = 0
        self.ended = False

    async def next(self) -> bytes | None:
        piece = await self._lease.fetch(self._stream)
        if piece is None:
            self.ended = True
            return None
        self._rows += piece.rows
        self._read_rows = max(self._read_rows, piece.read_rows)
        self._read_bytes = max(self._read_bytes, piece.read_bytes)
        first, self._first = self._first, False
        if first or not formats.has_header(self._fmt):
            return await self._shape(piece.data)
        return piece.data[formats.header_length(self._fmt, piece.data) :]

    async def gather(self, size: int) -> bytes:
        """Return the beginning: all of it (``ended``) or at least ``size`` bytes."""
        held = bytearray()
        while len(held) < size:
            piece = await self.next()
            if piece is None:
                break
            held += piece
        return bytes(held)

    def answer(self, data: bytes) -> Answer:
        return Answer(data, self._rows, self._read_rows, self._read_bytes)

    async def close(self) -> None:
        await self._lease.stop(self._stream)


async def _as_it_is(data: bytes) -> bytes:
    return data


async def _reframed(data: bytes) -> bytes:
    return await asyncio.to_thread(native.reframe, data)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    if data:
        await asyncio.wait_for(response.write(data), STALL_S)


def _trailer(error: ClickHouseError, tag: str) -> bytes:
    """Tell an error in the middle of an answer, as ClickHouse does since 25.11."""
    text = f"{error}\n".encode()
    opening = f"\r\n__exception__\r\n{tag}\r\n".encode()
    return opening + text + f"{len(text)} {tag}\r\n__exception__\r\n".encode()
