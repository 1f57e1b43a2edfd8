"""A session at a glance: when the model worked, when tools did, where it went wrong. SVG."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headrace.cli.replay.entries import Entry, duration, number
from headrace.cli.replay.sums import CALL_COMPLETED, TOOL_COMPLETE, is_error

WIDTH: Final = 1000.0
LEAST: Final = 1.5
"""What is shorter would not be seen."""
NEWS: Final = 0.5
"""So much must stand out of the bar before it: so there are at most 2,000 in a lane."""
_LANES: Final = {"turn": 0, "model": 12, "tool": 24, "error": 36}
_HEIGHT: Final = 10
_TICKS: Final = 5


def strip(entries: list[Entry], start: float) -> Iterator[str]:
    """Yield the drawing; nothing for a session without a duration."""
    end = max((entry.ts for entry in entries), default=start)
    if end <= start:
        return
    scale = WIDTH / (end - start)
    yield '<figure class="strip"><div class="lanes"><span>turns</span><span>model</span>'
    yield '<span>tools</span><span>errors</span></div><div><svg viewBox="0 0 1000 46"'
    yield ' preserveAspectRatio="none" role="img" aria-label="When what happened">'
    drawn: dict[tuple[str, int], float] = {}
    for lane, first, last, target, tone in _bars(entries):
        x = min(max(0.0, (first - start) * scale), WIDTH - LEAST)
        width = max(LEAST, (last - first) * scale)
        if x + width < drawn.get((lane, tone == "bad"), -1.0) + NEWS:
            continue
        drawn[lane, tone == "bad"] = x + width
        yield f'<a href="#e{target}"><rect class="{lane} {tone}" x="{x:.2f}" y="{_LANES[lane]}"'
        yield f' width="{min(width, WIDTH - x):.2f}" height="{_HEIGHT}"/></a>'
    yield '</svg><div class="ticks">'
    for tick in range(_TICKS):
        yield f"<span>{duration((end - start) * 1000 * tick / (_TICKS - 1))}</span>"
    yield "</div></div></figure>\n"


Bar = tuple[str, float, float, int, str]
"""Lane, start, end, the entry's number, tone."""


def _bars(entries: list[Entry]) -> Iterator[Bar]:
    begun: tuple[float, int] | None = None
    for at, entry in enumerate(entries):
        tone = entry.tone
        took = (number(entry.facts.get("duration_ms")) or 0.0) / 1000
        if entry.type == CALL_COMPLETED:
            yield "model", entry.ts - took, entry.ts, at, tone
        elif entry.type == TOOL_COMPLETE:
            yield "tool", entry.ts - took, entry.ts, at, tone
        elif entry.kind == "turn" and entry.type == "turn_begin":
            begun = entry.ts, at
        elif entry.kind == "turn" and begun:
            yield "turn", begun[0], entry.ts, begun[1], tone
            begun = None
        if is_error(entry):
            yield "error", entry.ts, entry.ts, at, "bad"
