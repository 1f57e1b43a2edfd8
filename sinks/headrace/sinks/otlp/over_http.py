"""OTLP by HTTP: protobuf, gzip.

https://opentelemetry.io/docs/specs/otlp/#otlphttp. It uses httpx below its client: a client logs
URLs, follows redirects, and takes passwords from the environment.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
from collections.abc import Sequence
from typing import Any, Final

import anyio
import httpx
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from headrace.events.errors import Poison
from headrace.events.settings import OtlpSettings
from headrace.sinks.cause import cause_of
from headrace.sinks.notify.retry_after import seconds_of
from headrace.sinks.otlp.exporter import CONNECT_SECONDS, TOTAL_SECONDS, Away, Taken, trusted
from headrace.sinks.otlp.request import request_of
from headrace.sinks.otlp.row import Row

POISON: Final = frozenset({400, 413, 422})
"""The request is to blame. What else is not 2xx blames the moment, the settings or the receiver:
spans given up for these would be lost for what a person can mend."""
MOST_ANSWERED: Final = 64 * 1024
"""Bytes of an answer that are read: it has a number and a sentence in it."""
_LEVEL: Final = 1
"""Of gzip: a third of the bytes for a tenth of the time of what the best takes."""


class HttpExporter:
    """See :class:`headrace.sinks.otlp.exporter.Exporter`."""

    def __init__(self, settings: OtlpSettings) -> None:
        self._url = httpx.URL(settings.endpoint.rstrip("/") + "/v1/traces")
        self._headers = {
            "User-Agent": "headrace",
            "Host": self._url.netloc.decode("ascii"),
            **dict(settings.headers),
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
            "Accept-Encoding": "identity",
        }
        # Its debugging shows headers, and so secrets.
        logging.getLogger("httpcore").setLevel(logging.INFO)
        self._transport = httpx.AsyncHTTPTransport(
            verify=trusted(settings), limits=httpx.Limits(max_connections=1)
        )

    async def export(self, rows: Sequence[Row]) -> Taken:
        body = await asyncio.to_thread(_body, rows)
        request = httpx.Request(
            "POST",
            self._url,
            headers=self._headers,
            content=body,
            extensions={
                "timeout": dict.fromkeys(("read", "write", "pool"), TOTAL_SECONDS)
                | {"connect": CONNECT_SECONDS}
            },
        )
        try:
            with anyio.fail_after(TOTAL_SECONDS):
                response = await self._transport.handle_async_request(request)
                try:
                    answer = await _begin(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise Away(f"no answer within {TOTAL_SECONDS:g} s", label="none") from None
        except httpx.TransportError as error:
            raise Away(_said(error), label="none") from None
        return _meaning(response, answer)

    async def close(self) -> None:
        await self._transport.aclose()


def _body(rows: Sequence[Row]) -> bytes:
    return gzip.compress(request_of(rows).SerializeToString(), _LEVEL)


async def _begin(response: httpx.Response) -> bytes:
    answer = b""
    async for piece in response.aiter_raw():
        answer += piece
        if len(answer) > MOST_ANSWERED:
            break
    return answer


def _meaning(response: httpx.Response, answer: bytes) -> Taken:
    status = response.status_code
    if response.is_success:
        return _taken(answer)
    text = f"it answers {status} {response.reason_phrase}".strip()
    if status in POISON:
        raise Poison(f"the receiver refuses it with {status}", code=status)
    after = seconds_of(response.headers.get("retry-after"), time.time())
    raise Away(text, label=str(status), after=after or 0.0)


def _taken(answer: bytes) -> Taken:
    try:
        told: Any = ExportTraceServiceResponse.FromString(answer)
    except DecodeError:  # an answer of JSON, or of a proxy: it is a success all the same
        return Taken()
    partial = told.partial_success
    return Taken(max(partial.rejected_spans, 0), partial.error_message)


def _said(error: httpx.TransportError) -> str:
    connecting = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
    otherwise = "no connection" if connecting else "the connection broke before it answered"
    return cause_of(error) or otherwise
