"""A log record as one line of JSON, for whoever collects what a process prints."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import orjson

from headrace.events.identity import UNBOUND_SESSION


def line_of(
    created: float,
    tenant: str,
    whose: tuple[str | None, str | None, str | None, str | None],
    body: bytes,
) -> str:
    """Return the line, which ends in a newline, of a record whose data is ``body``.

    It begins with the fields that people filter by; what nobody knows is null.
    """
    session, user, _, trace = whose
    data: dict[str, Any] = orjson.loads(body)
    line = {
        "time": _iso(created),
        "level": data.pop("level", ""),
        "logger": data.pop("logger", ""),
        "message": data.pop("message", ""),
        "session_id": session or UNBOUND_SESSION,
        "tenant_id": tenant,
        "user_id": user,
        "trace_id": _trace_id(trace),
        "span_id": _span_id(trace),
        **data,
    }
    return orjson.dumps(line).decode() + "\n"


def _iso(created: float) -> str:
    at = datetime.fromtimestamp(created, timezone.utc)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _trace_id(trace: str | None) -> str | None:
    parts = trace.split("-") if trace else []
    return parts[1] if len(parts) > 1 else None


def _span_id(trace: str | None) -> str | None:
    parts = trace.split("-") if trace else []
    return parts[2] if len(parts) > 2 else None  # noqa: PLR2004 - the third of a traceparent
