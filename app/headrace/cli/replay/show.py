"""Print a timeline: for people with colour and indentation, for scripts as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from headrace.cli.output import console
from headrace.cli.replay.entries import Entry
from headrace.cli.text import safe_text

BODY_CHARACTERS: Final = 400
BODY_LINES: Final = 6
HEADLINE_CHARACTERS: Final = 300

_STYLES: Final = {"plain": "", "good": "green", "bad": "red", "quiet": "dim"}
_CLOCK_WIDTH: Final = 10
_LEAST_WIDTH: Final = 20


def show(entries: Iterable[Entry], *, full: bool) -> None:
    """Print entries as they come. Times count from the first one.

    ``full`` cuts nothing, and tells of what was simply allowed, too: which is nearly every call.
    """
    out = console()
    wrap = out if out.is_terminal else None
    start: float | None = None
    for entry in entries:
        start = entry.ts if start is None else start
        if entry.kind == "permission" and entry.facts.get("decision") == "allow" and not full:
            continue
        for line in lines(entry, start, full=full, wrap=wrap):
            out.print(line, soft_wrap=True)


def lines(entry: Entry, start: float, *, full: bool, wrap: Console | None = None) -> Iterator[Text]:
    """Yield the printed lines of an entry, every character of the agent's made safe.

    Bodies are wrapped at words to the width of ``wrap``; None: not at all, for grep.
    """
    style = _STYLES[entry.tone]
    if entry.depth == 0:
        style = f"bold {style}".strip()
    indent = "  " * entry.depth
    headline = safe_text(entry.headline, limit=None if full else HEADLINE_CHARACTERS)
    clock = f"{clock_text(entry.ts - start):>{_CLOCK_WIDTH}}  "
    yield Text.assemble((clock, "dim"), (indent + headline, style))
    margin = " " * (_CLOCK_WIDTH + 4) + indent
    for line in _body(entry.body, full=full):
        text = Text(line)
        room = wrap and max(_LEAST_WIDTH, wrap.width - len(margin))
        for piece in text.wrap(wrap, room) if wrap and room and line else [text]:
            yield Text(margin + piece.plain, style="dim" if style == "dim" else "")


def clock_text(seconds: float) -> str:
    """Return a time since the start: ``0.123``, ``1:02.345``, ``2:03:04.567``."""
    milliseconds = round(seconds * 1000)
    sign, milliseconds = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    whole, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{sign}{hours}:{minute:02}:{second:02}.{rest:03}"
    return f"{sign}{minute}:{second:02}.{rest:03}" if minute else f"{sign}{second}.{rest:03}"


def as_json(entry: Entry, start: float) -> dict[str, Any]:
    """Return an entry for a script: ``at`` in seconds since the first one, nothing cut."""
    return {
        "ts": entry.ts,
        "at": round(entry.ts - start, 6),
        "turn": entry.turn,
        "kind": entry.kind,
        "depth": entry.depth,
        "tone": entry.tone,
        "headline": entry.headline,
        "body": entry.body,
        "facts": dict(entry.facts),
    }


def _body(body: str | None, *, full: bool) -> Iterator[str]:
    if not body:
        return
    text = safe_text(body, newlines=True, limit=None if full else BODY_CHARACTERS)
    all_lines = text.expandtabs(4).split("\n")
    kept = all_lines if full else all_lines[:BODY_LINES]
    yield from kept
    if len(kept) < len(all_lines):
        yield f"… ({len(all_lines) - len(kept):,} more lines, --full shows them)"
