"""What a receiver got, and what it should have got: spans as plain data."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import orjson
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

IDS = ("traceId", "spanId", "parentSpanId")


def arrived(request: Any) -> list[dict[str, Any]]:
    """The spans of one request, each with its resource and scope."""
    return [
        {
            "resource": _attributes(resource.resource.attributes),
            "scope": (scope.scope.name, scope.scope.version),
            "trace": span.trace_id.hex(),
            "span": span.span_id.hex(),
            "parent": span.parent_span_id.hex(),
            "state": span.trace_state,
            "name": span.name,
            "kind": span.kind,
            "times": (span.start_time_unix_nano, span.end_time_unix_nano),
            "attributes": _attributes(span.attributes),
            "status": (span.status.code, span.status.message),
            "events": [(e.time_unix_nano, e.name, _attributes(e.attributes)) for e in span.events],
            "links": [
                (link.trace_id.hex(), link.span_id.hex(), _attributes(link.attributes))
                for link in span.links
            ],
        }
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def expected(row: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a record of agent.spans, by the protocol's numbers."""
    events = zip(row["Events.Timestamp"], row["Events.Name"], row["Events.Attributes"], strict=True)
    links = zip(row["Links.TraceId"], row["Links.SpanId"], row["Links.Attributes"], strict=True)
    return {
        "resource": {"service.name": row["ServiceName"]} | row["ResourceAttributes"],
        "scope": (row["ScopeName"], row["ScopeVersion"]),
        "trace": row["TraceId"],
        "span": row["SpanId"],
        "parent": row["ParentSpanId"],
        "state": row["TraceState"],
        "name": row["SpanName"],
        "kind": {"Internal": 1, "Client": 3}[row["SpanKind"]],
        "times": (row["Timestamp"], row["Timestamp"] + row["Duration"]),
        "attributes": row["SpanAttributes"],
        "status": ({"Unset": 0, "Ok": 1, "Error": 2}[row["StatusCode"]], row["StatusMessage"]),
        "events": list(events),
        "links": list(links),
    }


def from_json(line: bytes) -> list[dict[str, Any]]:
    """The spans of one request in the protocol's JSON, whose ids are in hexadecimal."""
    message = orjson.loads(line)
    _to_base64(message)
    return arrived(json_format.ParseDict(message, ExportTraceServiceRequest()))


def _to_base64(node: Any) -> None:
    if isinstance(node, list):
        for one in node:
            _to_base64(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in IDS:
                node[key] = base64.b64encode(bytes.fromhex(value)).decode()
            else:
                _to_base64(value)


def _attributes(given: Iterable[Any]) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in given}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)
