"""OTLP by gRPC, gzip. https://opentelemetry.io/docs/specs/otlp/#otlpgrpc."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from headrace.events.errors import Poison
from headrace.events.settings import OtlpSettings
from headrace.sinks.otlp.exporter import TOTAL_SECONDS, Away, Taken, trusted
from headrace.sinks.otlp.request import request_of
from headrace.sinks.otlp.retry_info import delay_of
from headrace.sinks.otlp.row import Row

_RECONNECT_MS: Final = 5_000
"""At most, between two tries to connect: gRPC's own two minutes are long for one receiver."""
_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", _RECONNECT_MS),
    ("grpc.primary_user_agent", "headrace"),
    ("grpc.enable_http_proxy", 0),
)
_TOO_LARGE: Final = "larger than max"
"""What every implementation of gRPC says of a message that is beyond its limit."""


class GrpcExporter:
    """See :class:`headrace.sinks.otlp.exporter.Exporter`. Connects on the loop that first sends."""

    def __init__(self, settings: OtlpSettings) -> None:
        self._settings = settings
        self._metadata = tuple((name.lower(), value) for name, value in settings.headers)
        self._credentials = _credentials(settings)
        self._channel: Any = None
        self._export: Any = None

    async def export(self, rows: Sequence[Row]) -> Taken:
        if self._channel is None:
            self._connect()
        request = await asyncio.to_thread(request_of, rows)
        try:
            answer = await self._export(
                request, timeout=TOTAL_SECONDS, metadata=self._metadata or None
            )
        except grpc.aio.AioRpcError as error:
            raise _meaning(error) from None
        partial = answer.partial_success
        return Taken(max(partial.rejected_spans, 0), partial.error_message)

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def _connect(self) -> None:
        target = urlsplit(self._settings.endpoint).netloc
        gzip = grpc.Compression.Gzip
        if self._credentials is None:
            self._channel = grpc.aio.insecure_channel(target, _OPTIONS, gzip)
        else:
            self._channel = grpc.aio.secure_channel(target, self._credentials, _OPTIONS, gzip)
        self._export = TraceServiceStub(self._channel).Export


def _credentials(settings: OtlpSettings) -> Any:
    """Return whom to trust; None for no TLS."""
    if not settings.endpoint.startswith("https:"):
        return None
    # gRPC comes with authorities of its own, which are not the system's.
    known = trusted(settings).get_ca_certs(binary_form=True)
    roots = "".join(map(ssl.DER_cert_to_PEM_cert, known)).encode()
    return grpc.ssl_channel_credentials(roots or None)


def _meaning(error: grpc.aio.AioRpcError) -> Poison | Away:
    code, details = error.code(), error.details() or ""
    name = code.name
    too_large = code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in details
    if code is grpc.StatusCode.INVALID_ARGUMENT or too_large:
        return Poison(f"the receiver refuses it with {name}", code=code.value[0])
    return Away(f"it answers {name}", label=name, after=delay_of(error.trailing_metadata()))
