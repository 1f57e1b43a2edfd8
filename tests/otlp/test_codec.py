"""Records of agent.spans as requests of OTLP."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from headrace.events.errors import Poison
from headrace.sinks.otlp.request import request_of
from headrace.sinks.otlp.row import row_of
from tests.otlp.arrived import arrived, expected
from tests.otlp.spans import span, spans, value


@given(st.lists(spans(), max_size=4))
def test_every_span_goes_and_keeps_what_it_says_with_its_types(rows: list[dict[str, Any]]) -> None:
    request = request_of(row_of(value(row)) for row in rows)
    there = arrived(ExportTraceServiceRequest.FromString(request.SerializeToString()))
    by_bytes = Counter(repr(one) for one in there)
    assert by_bytes == Counter(repr(expected(row)) for row in rows)


def test_what_the_contract_does_not_have_goes_as_text() -> None:
    odd = {"deep": {"a": [1]}, "none": None, "huge": 2**64}
    (there,) = arrived(request_of([row_of(value(span("t", SpanAttributes=odd)))]))
    assert there["attributes"] == {"deep": '{"a":[1]}', "none": "null", "huge": str(2**64)}


def test_one_resource_stands_once() -> None:
    rows = [row_of(value(span("t", ServiceName=name))) for name in "aabab"]
    request = request_of(rows)
    assert [len(one.scope_spans[0].spans) for one in request.resource_spans] == [3, 2]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b'{"secret', "not one JSON object"),
        (b"[]", "no span"),
        (value(span("t", TraceId="secret")), "no span"),
        (value(span("t", ParentSpanId="ff")), "no span"),
        (value(span("t", Duration=-1)), "no span"),
        (value(span("t", Timestamp=2**63)), "no span"),
        (value(span("t") | {"Events.Name": []}), "events' lists"),
        (value(span("t") | {"Links.SpanId": []}), "links' lists"),
        (orjson.dumps({"tenant": "secret"}), "no span"),
    ],
)
def test_what_is_no_span_is_poison_and_not_quoted(given: bytes | None, reason: str) -> None:
    with pytest.raises(Poison, match=reason) as raised:
        row_of(given)
    assert "secret" not in str(raised.value)
