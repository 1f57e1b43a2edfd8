"""Print a timeline: for people with colour and indentation, for scripts as JSON lines."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from headrace.cli.output import console
from headrace.cli.replay.entries import Entry, duration
from headrace.cli.replay.sums import About, Sums, money
from headrace.cli.text import safe_text

BODY_CHARACTERS: Final = 400
BODY_LINES: Final = 6
HEADLINE_CHARACTERS: Final = 300

CLOCK_WIDTH: Final = 10
_STYLES: Final = {"plain": "", "good": "green", "bad": "red", "quiet": "dim"}
_CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_COLOURS: Final = frozenset({"red", "green", "yellow"})
_LEAST_WIDTH: Final = 20

Line = tuple[tuple[str, str], ...]
"""Pieces of safe text, each with a style: words of ``_CODES``."""


class Page:
    """Where lines are printed: stdout, in colour and wrapped on a terminal, or a file."""

    def __init__(self, file: TextIO | None = None) -> None:
        out = console()
        seen = file is None or file is out.file
        self._file = out.file if seen or file is None else file
        self.wrap = out if seen and out.is_terminal else None
        """A terminal's width, None where nothing is wrapped."""
        self._codes = _codes(out) if self.wrap else {}

    def print(self, line: Line) -> None:
        self._file.write("".join(self._painted(*piece) for piece in line) + "\n")

    def flush(self) -> None:
        self._file.flush()

    def _painted(self, text: str, style: str) -> str:
        codes = ";".join(self._codes[word] for word in style.split() if word in self._codes)
        return f"\x1b[{codes}m{text}\x1b[0m" if codes and text else text


def _codes(out: Console) -> dict[str, str]:
    # Not rich's own printing: it takes a second for some thousands of lines.
    if out.color_system is None:
        return {}
    return {k: v for k, v in _CODES.items() if not (out.no_color and k in _COLOURS)}


class Teller:
    """Prints entries as they come. Times count from the first one.

    ``full`` cuts nothing, and tells of what was simply allowed, too: which is nearly every call.
    """

    def __init__(self, page: Page, *, full: bool) -> None:
        self._page = page
        self._full = full
        self._start: float | None = None
        self._trace: object = None

    def tell(self, entry: Entry) -> None:
        self._start = entry.ts if self._start is None else self._start
        if is_allowance(entry) and not self._full:
            return
        trace = entry.facts.get("trace") if entry.kind == "turn" else None
        news = None if trace == self._trace else trace
        self._trace = trace or self._trace
        for line in lines(entry, self._start, full=self._full, wrap=self._page.wrap):
            self._page.print((*line, (f"  trace {news}", "dim")) if news else line)
            news = None

    def gap(self, seconds: float) -> None:
        """Say that a wait was cut short."""
        self._page.print(((f"{'':>{CLOCK_WIDTH}}  … {duration(seconds * 1000)} pass", "yellow"),))


def is_allowance(entry: Entry) -> bool:
    """Whether an entry tells that a rule allowed a call: which the call itself shows."""
    return entry.kind == "permission" and entry.facts.get("decision") == "allow"


def show(entries: Iterable[Entry], *, full: bool) -> None:
    """Print entries to stdout."""
    teller = Teller(Page(), full=full)
    for entry in entries:
        teller.tell(entry)


def heading(about: About) -> Line:
    """Say whose session it is, and when it was. As far as it is known at its first event."""
    parts = [f"session {safe_text(about.session)}", f"tenant {safe_text(about.tenant)}"]
    parts += [f"user {safe_text(user)}" for user in about.users]
    parts += [f"agent {safe_text(agent)}" for agent in about.agents]
    parts += [date_text(about.start)] if about.start is not None else []
    return ((", ".join(parts), "bold"),)


def closing(sums: Sums) -> Line:
    """Say what it came to."""
    return (("; ".join(sums_text(sums)), "dim"),)


def sums_text(sums: Sums) -> list[str]:
    """Return what a session came to, in words."""
    parts = [
        duration(sums.duration_s * 1000),
        counted(sums.turns, "turn"),
        f"{counted(sums.model_calls, 'model call')} in {duration(sums.model_ms)}",
        f"{counted(sums.tool_calls, 'tool call')} in {duration(sums.tool_ms)}",
        f"{sums.tokens_in:,} tokens in ({sums.tokens_cached:,} cached), {sums.tokens_out:,} out",
    ]
    parts += [] if sums.cost is None else [money(sums.cost)]
    parts += [counted(sums.retries, "retry", "retries")] if sums.retries else []
    return [*parts, counted(sums.errors, "error")]


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return ``1 turn``, ``2 turns``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def date_text(ts: float) -> str:
    """Return a date and time in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ts))


def lines(entry: Entry, start: float, *, full: bool, wrap: Console | None = None) -> Iterator[Line]:
    """Yield the printed lines of an entry, every character of the agent's made safe.

    They are wrapped at words to the width of ``wrap``; None: not at all, for grep.
    """
    style = _STYLES[entry.tone]
    weight = "bold " if entry.depth == 0 else ""
    indent = "  " * entry.depth
    headline = safe_text(entry.headline, limit=None if full else HEADLINE_CHARACTERS)
    clock = f"{clock_text(entry.ts - start):>{CLOCK_WIDTH}}  "
    late = "late: " if entry.late else ""
    margin = " " * (CLOCK_WIDTH + 4) + indent
    first, *rest = wrapped(headline, wrap, len(margin + late))
    yield ((clock, "dim"), (indent, ""), (late, "yellow"), (first, weight + style))
    for piece in rest:
        yield ((margin + piece, weight + style),)
    body_style = "dim" if style == "dim" else ""
    for line in body_lines(entry.body, full=full):
        for piece in wrapped(line, wrap, len(margin)):
            yield ((margin + piece, body_style),)


def wrapped(line: str, wrap: Console | None, margin: int) -> list[str]:
    """Break a line at words to the width of a terminal less a margin."""
    room = max(_LEAST_WIDTH, wrap.width - margin) if wrap else 0
    if wrap is None or cell_len(line) <= room:
        return [line]
    return [piece.plain for piece in Text(line).wrap(wrap, room)]


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
        "type": entry.type,
        "depth": entry.depth,
        "tone": entry.tone,
        "late": entry.late,
        "headline": entry.headline,
        "body": entry.body,
        "facts": dict(entry.facts),
    }


def body_lines(body: str | None, *, full: bool) -> Iterator[str]:
    """Yield a body's lines, made safe; the first of a long one without ``full``."""
    if not body:
        return
    text = safe_text(body, newlines=True, limit=None if full else BODY_CHARACTERS)
    all_lines = text.expandtabs(4).split("\n")
    kept = all_lines if full else all_lines[:BODY_LINES]
    yield from kept
    if len(kept) < len(all_lines):
        yield f"… ({len(all_lines) - len(kept):,} more lines, --full shows them)"
