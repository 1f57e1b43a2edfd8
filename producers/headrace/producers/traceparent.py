"""The application's own trace: the span that is current where an event or a log record is made.

headrace needs no OpenTelemetry: only where the application has loaded it is it asked. The format is
W3C Trace Context, https://www.w3.org/TR/trace-context/#traceparent-header.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import Any, Final

CARRIED: Final[ContextVar[str | None]] = ContextVar("headrace_carried_trace", default=None)
"""What stands for the current span where work was handed to a thread without its context."""


def current() -> str | None:
    """Return the ``traceparent`` of the current span; None where there is none. Never raises."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    try:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return CARRIED.get()
        flags = int(context.trace_flags)
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"
    except Exception:
        return None
