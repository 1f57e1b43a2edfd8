"""A small receiver on loopback, made of opentelemetry-proto's own messages and service stubs.

It answers as it is told. A receiver that nobody here wrote is in ``test_collector.py``.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
import grpc.aio
from aiohttp import web
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from headrace.events.settings import OtlpSettings
from headrace.local.ports import free_port
from tests.otlp.arrived import arrived


@dataclass
class Receiver:
    """What it got, and what it answers next."""

    protocol: str
    port: int
    scheme: str = "http"
    requests: list[list[dict[str, Any]]] = field(default_factory=list)
    """The spans of each request that it took."""
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: deque[Any] = field(default_factory=deque)
    """One a request, first come first: an HTTP response, a gRPC status with its trailing metadata,
    an ``ExportTraceServiceResponse``, or ``hang``."""
    refuses: Callable[[dict[str, Any]], bool] = lambda _: False
    """Spans for which it refuses a whole request for good."""
    takes: Callable[[], bool] = lambda: True
    """Else it says that it is away."""
    stop: Callable[[], Any] = lambda: None

    @property
    def settings(self) -> OtlpSettings:
        return OtlpSettings(self.endpoint, self.protocol)

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    @property
    def spans(self) -> list[dict[str, Any]]:
        return [span for request in self.requests for span in request]

    @property
    def ids(self) -> Counter[str]:
        return Counter(span["span"] for span in self.spans)


REFUSED = "refused"
AWAY = "away"


def _judge(receiver: Receiver, request: Any, headers: dict[str, str]) -> Any:
    receiver.headers.append(headers)
    spans = arrived(request)
    if receiver.answers:
        answer = receiver.answers.popleft()
        if isinstance(answer, ExportTraceServiceResponse):
            receiver.requests.append(spans)
        return answer
    if not receiver.takes():
        return AWAY
    if any(map(receiver.refuses, spans)):
        return REFUSED
    receiver.requests.append(spans)
    return ExportTraceServiceResponse()


class _Service(trace_service_pb2_grpc.TraceServiceServicer):  # type: ignore[misc]
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        headers = dict(context.invocation_metadata())
        answer = _judge(self._receiver, request, headers)
        if answer == "hang":
            await asyncio.Event().wait()
        if answer == AWAY:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        if answer == REFUSED:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such span")
        if isinstance(answer, tuple):
            code, details, trailing = answer
            await context.abort(code, details, trailing)
        return answer


async def _http(receiver: Receiver, request: web.Request) -> web.StreamResponse:
    assert request.content_type == "application/x-protobuf"
    assert request.headers["Content-Encoding"] == "gzip"
    body = await request.read()  # aiohttp has unpacked it
    message = ExportTraceServiceRequest.FromString(body)
    answer = _judge(receiver, message, dict(request.headers))
    if answer == "hang":
        await asyncio.Event().wait()
    if answer == AWAY:
        return web.Response(status=503)
    if answer == REFUSED:
        return web.Response(status=400, text="no such span")
    if isinstance(answer, ExportTraceServiceResponse):
        body = answer.SerializeToString()
        return web.Response(body=body, content_type="application/x-protobuf")
    response: web.StreamResponse = answer
    return response


@asynccontextmanager
async def running(
    protocol: str, *, port: int = 0, tls: tuple[bytes, bytes, ssl.SSLContext] | None = None
) -> AsyncIterator[Receiver]:
    """A receiver. ``tls``: a key and a chain in PEM, and a context that has them."""
    receiver = Receiver(protocol, port or free_port(0), "https" if tls else "http")
    start = _start_grpc if protocol == "grpc" else _start_http
    stop = await start(receiver, tls)
    receiver.stop = stop
    try:
        yield receiver
    finally:
        await stop()


async def _start_grpc(receiver: Receiver, tls: Any) -> Callable[[], Any]:
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Service(receiver), server)
    address = f"127.0.0.1:{receiver.port}"
    if tls:
        server.add_secure_port(address, grpc.ssl_server_credentials([tls[:2]]))
    else:
        server.add_insecure_port(address)
    await server.start()
    return lambda: server.stop(0)


async def _start_http(receiver: Receiver, tls: Any) -> Callable[[], Any]:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", partial(_http, receiver))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", receiver.port, ssl_context=tls[2] if tls else None)
    await site.start()
    return runner.cleanup
