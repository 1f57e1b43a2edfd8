"""One record of agent.spans: a row of the exporter's table, whose attributes have their types."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from headrace.events.errors import Poison

Nanoseconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
TraceId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
SpanId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
Attributes = dict[str, Any]


class Row(msgspec.Struct, gc=False):
    """What of it goes to the receiver. Times in ns since 1970, the duration in ns."""

    time: Nanoseconds = msgspec.field(name="Timestamp")
    trace: TraceId = msgspec.field(name="TraceId")
    span: SpanId = msgspec.field(name="SpanId")
    name: str = msgspec.field(name="SpanName")
    duration: Nanoseconds = msgspec.field(name="Duration")
    parent: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{16})?$")] = msgspec.field(
        name="ParentSpanId", default=""
    )
    state: str = msgspec.field(name="TraceState", default="")
    kind: str = msgspec.field(name="SpanKind", default="Internal")
    service: str = msgspec.field(name="ServiceName", default="")
    resource: Attributes = msgspec.field(name="ResourceAttributes", default_factory=dict)
    scope: str = msgspec.field(name="ScopeName", default="")
    scope_version: str = msgspec.field(name="ScopeVersion", default="")
    attributes: Attributes = msgspec.field(name="SpanAttributes", default_factory=dict)
    status: str = msgspec.field(name="StatusCode", default="Unset")
    status_message: str = msgspec.field(name="StatusMessage", default="")
    event_times: list[Nanoseconds] = msgspec.field(name="Events.Timestamp", default_factory=list)
    event_names: list[str] = msgspec.field(name="Events.Name", default_factory=list)
    event_attributes: list[Attributes] = msgspec.field(
        name="Events.Attributes", default_factory=list
    )
    link_traces: list[TraceId] = msgspec.field(name="Links.TraceId", default_factory=list)
    link_spans: list[SpanId] = msgspec.field(name="Links.SpanId", default_factory=list)
    link_states: list[str] = msgspec.field(name="Links.TraceState", default_factory=list)
    link_attributes: list[Attributes] = msgspec.field(name="Links.Attributes", default_factory=list)


_decode: Final = msgspec.json.Decoder(Row).decode


def row_of(value: bytes | None) -> Row:
    """Read a record's value. Raises :class:`Poison`, whose reason quotes nothing of it."""
    if not value:
        raise Poison("empty value")
    try:
        row = _decode(value)
    except msgspec.ValidationError as error:
        raise Poison(f"no span: {error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Poison("not one JSON object") from None
    if len({len(row.event_times), len(row.event_names), len(row.event_attributes)}) > 1:
        raise Poison("no span: its events' lists are not of one length")
    links = (row.link_traces, row.link_spans, row.link_states, row.link_attributes)
    if len({len(part) for part in links}) > 1:
        raise Poison("no span: its links' lists are not of one length")
    return row
