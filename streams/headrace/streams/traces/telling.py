"""What several kinds of events have in common."""

from __future__ import annotations

from typing import Any, Final

from headrace.streams.traces.recording import Recording
from headrace.streams.traces.span import Span
from headrace.streams.traces.values import content

BAD: Final = frozenset({"error", "failed", "timeout"})
"""What a status is called that is an error."""


def told(under_way: Recording, data: dict[str, Any], key: str, otherwise: str = "") -> str:
    """Return an error's own words, where content is captured: they may quote anything."""
    words = content(data.get(key)) if under_way.captured else None
    return words or otherwise


def add_one(span: Span, what: str) -> None:
    span.attributes[what] = span.attributes.get(what, 0) + 1
