"""Rows of agent.spans as one request of OTLP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from headrace.sinks.otlp.row import Attributes, Row

_json: Final = msgspec.json.encode  # of numbers beyond 64 bits, too
_KINDS: Final = {
    "Internal": Span.SPAN_KIND_INTERNAL,
    "Server": Span.SPAN_KIND_SERVER,
    "Client": Span.SPAN_KIND_CLIENT,
    "Producer": Span.SPAN_KIND_PRODUCER,
    "Consumer": Span.SPAN_KIND_CONSUMER,
}
_STATUSES: Final = {
    "Unset": Status.STATUS_CODE_UNSET,
    "Ok": Status.STATUS_CODE_OK,
    "Error": Status.STATUS_CODE_ERROR,
}


def request_of(rows: Iterable[Row]) -> Any:
    """Make an ``ExportTraceServiceRequest``: the spans of one resource and scope stand together."""
    request = ExportTraceServiceRequest()
    scopes: dict[bytes, Any] = {}
    for row in rows:
        key = _json([row.service, row.resource, row.scope, row.scope_version])
        if key not in scopes:
            scopes[key] = _scope(request, row)
        scopes[key].spans.append(_span(row))
    return request


def _scope(request: Any, row: Row) -> Any:
    resource = request.resource_spans.add()
    attributes = {"service.name": row.service} | row.resource
    resource.resource.attributes.extend(_attributes(attributes))
    scope = ScopeSpans()
    scope.scope.name, scope.scope.version = row.scope, row.scope_version
    resource.scope_spans.append(scope)
    return resource.scope_spans[0]


def _span(row: Row) -> Any:
    span = Span(
        trace_id=bytes.fromhex(row.trace),
        span_id=bytes.fromhex(row.span),
        parent_span_id=bytes.fromhex(row.parent),
        trace_state=row.state,
        name=row.name,
        kind=_KINDS.get(row.kind, Span.SPAN_KIND_UNSPECIFIED),
        start_time_unix_nano=row.time,
        end_time_unix_nano=row.time + row.duration,
        attributes=_attributes(row.attributes),
        status=Status(
            code=_STATUSES.get(row.status, Status.STATUS_CODE_UNSET), message=row.status_message
        ),
    )
    events = zip(row.event_times, row.event_names, row.event_attributes, strict=True)
    for time, name, attributes in events:
        span.events.add(time_unix_nano=time, name=name, attributes=_attributes(attributes))
    links = (row.link_traces, row.link_spans, row.link_states, row.link_attributes)
    for trace, other, state, attributes in zip(*links, strict=True):
        span.links.add(
            trace_id=bytes.fromhex(trace),
            span_id=bytes.fromhex(other),
            trace_state=state,
            attributes=_attributes(attributes),
        )
    return span


def _attributes(given: Attributes) -> Iterator[Any]:
    for key, value in given.items():
        yield KeyValue(key=key, value=_value(value))


def _value(value: Any) -> Any:
    if isinstance(value, bool):  # before int, which it is
        return AnyValue(bool_value=value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_value(one) for one in value]))
    text = value if isinstance(value, str) else _json(value).decode()
    return AnyValue(string_value=text)
