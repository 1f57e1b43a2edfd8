"""Records of agent.spans, by hand and by hypothesis, as the worker ``traces`` writes them."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
from hypothesis import strategies as st

NOON = 1_704_110_400_000_000_000
"""2024-01-01 12:00, in ns since 1970."""
MILLISECOND = 1_000_000

ATTRIBUTES: dict[str, Any] = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.stream": True,
    "gen_ai.response.finish_reasons": ["stop", 'a "quoted" \u00e9'],
}


def span(tenant: str, **changes: Any) -> dict[str, Any]:
    """One span of 500 ms, of a tool."""
    made: dict[str, Any] = {
        "tenant": tenant,
        "session": "s-1",
        "user": "u-1",
        "Timestamp": NOON + 123_456_789,
        "TraceId": secrets.token_hex(16),
        "SpanId": secrets.token_hex(8),
        "ParentSpanId": "",
        "TraceState": "",
        "SpanName": "execute_tool get_orders",
        "SpanKind": "Internal",
        "ServiceName": "headrace",
        "ResourceAttributes": {"service.name": "headrace", "headrace.tenant": tenant},
        "ScopeName": "headrace",
        "ScopeVersion": "1.37.0",
        "SpanAttributes": dict(ATTRIBUTES),
        "Duration": 500 * MILLISECOND,
        "StatusCode": "Error",
        "StatusMessage": "TimeoutError",
        "Events.Timestamp": [NOON + 200_000_000, NOON + 300_000_001],
        "Events.Name": ["gen_ai.retry", "context_compressed"],
        "Events.Attributes": [{"reason": "status=503", "attempt": 2}, {}],
        "Links.TraceId": ["a" * 32],
        "Links.SpanId": ["b" * 16],
        "Links.TraceState": [""],
        "Links.Attributes": [{"n": 1}],
    }
    return made | changes


def record(tenant: str, **changes: Any) -> bytes:
    return value(span(tenant, **changes))


def value(one: dict[str, Any]) -> bytes:
    return msgspec.json.encode(one)


def trace(tenant: str, children: int = 2, **changes: Any) -> list[dict[str, Any]]:
    """A turn with some tools in it."""
    ids = {"TraceId": secrets.token_hex(16)} | changes
    root = span(tenant, SpanName="invoke_agent support", StatusCode="Ok", StatusMessage="", **ids)
    return [root, *(span(tenant, ParentSpanId=root["SpanId"], **ids) for _ in range(children))]


_text = st.text(st.characters(codec="utf-8"), max_size=12)
_values = st.one_of(
    _text,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(_text, max_size=3),
)
_attributes = st.dictionaries(_text, _values, max_size=4)
_times = st.integers(1, 2**62)


def _hex(digits: int) -> st.SearchStrategy[str]:
    return st.integers(1, 16**digits - 1).map(lambda number: f"{number:0{digits}x}")


@st.composite
def spans(draw: st.DrawFn) -> dict[str, Any]:
    """Any span that the contract allows."""
    count = draw(st.integers(0, 3))
    events, links = range(count), range(draw(st.integers(0, 2)))
    return span(
        draw(_text.filter(bool)),
        session=draw(_text),
        user=draw(_text),
        Timestamp=draw(_times),
        TraceId=draw(_hex(32)),
        SpanId=draw(_hex(16)),
        ParentSpanId=draw(st.one_of(st.just(""), _hex(16))),
        TraceState=draw(st.sampled_from(["", "vendor=1"])),
        SpanName=draw(_text),
        SpanKind=draw(st.sampled_from(["Internal", "Client"])),
        ServiceName=draw(_text),
        ResourceAttributes=draw(_attributes),
        SpanAttributes=draw(_attributes),
        Duration=draw(st.integers(0, 2**61)),
        StatusCode=draw(st.sampled_from(["Unset", "Ok", "Error"])),
        StatusMessage=draw(_text),
        **{
            "Events.Timestamp": [draw(_times) for _ in events],
            "Events.Name": [draw(_text) for _ in events],
            "Events.Attributes": [draw(_attributes) for _ in events],
            "Links.TraceId": [draw(_hex(32)) for _ in links],
            "Links.SpanId": [draw(_hex(16)) for _ in links],
            "Links.TraceState": ["" for _ in links],
            "Links.Attributes": [draw(_attributes) for _ in links],
        },
    )
