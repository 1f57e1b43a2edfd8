"""Tell one session in the form that was asked for."""

from __future__ import annotations

import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TextIO

from headrace.cli.archive import Archive
from headrace.cli.replay import html, markdown
from headrace.cli.replay.entries import Entry, duration
from headrace.cli.replay.follow import await_session, follow
from headrace.cli.replay.jsonl import for_terminal, line_of
from headrace.cli.replay.logs import weave
from headrace.cli.replay.pace import Pace
from headrace.cli.replay.read import Clocks, Place, Row, find, rows_of
from headrace.cli.replay.show import Page, Teller, as_json, closing, heading
from headrace.cli.replay.story import read_story
from headrace.cli.replay.sums import About, Sums
from headrace.cli.replay.timeline import Timeline
from headrace.cli.text import safe_json
from headrace.streams.metrics.prices import Prices

STREAMS: Final = frozenset({"text", "jsonl", "json"})
"""Forms that are written while the session is read."""
HELD_SECONDS: Final = 2.0
"""Live, streamed text is told at the latest so long after it began, finished or not."""

Batches = Iterator[list[Row]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for."""

    session: str
    tenant: str | None = None
    format: str = "text"
    full: bool = False
    logs: bool = False
    live: bool = False
    speed: float | None = None
    """Times as fast as it happened; None: at once."""
    max_gap: float = 5.0
    """Seconds."""


def tell(archive: Archive, asked: Asked, prices: Prices, out: TextIO) -> int:
    """Tell a session and return how many events it has.

    Raises CommandError in one line where it is not there.
    """
    place = (await_session if asked.live else find)(archive, asked.session, asked.tenant)
    if asked.format not in STREAMS:
        story = read_story(archive, place, prices, logs=asked.logs)
        if asked.format == "html":
            html.write(story, out)
        else:
            markdown.write(story, out, full=asked.full)
        return story.about.events
    batches = _batches(archive, place, asked)
    if asked.format == "jsonl":
        return _lines(place, batches, asked, out)
    about = About.at(place)
    entries = _entries(batches, about, live=asked.live)
    entries = weave(archive, place, entries) if asked.logs else entries
    if asked.format == "json":
        _json(entries, asked, out)
    else:
        _text(entries, about, asked, prices, Page(out))
    return about.events


def _batches(archive: Archive, place: Place, asked: Asked) -> Batches:
    if asked.live:
        return follow(archive, place)
    rows = rows_of(archive, place)
    return ([row] for row in (rows if asked.speed is None else _set_aside(rows)))


def _set_aside(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield rows from a file: no server would wait as long as a session took."""
    with tempfile.TemporaryFile() as file:
        for row in rows:
            pickle.dump(tuple(row), file)
        file.seek(0)
        while True:
            try:
                row = pickle.load(file)  # noqa: S301 - our own, a moment ago
            except EOFError:
                return
            yield Row(*row)


def _pace(asked: Asked, tell_gap: Callable[[float], None]) -> Pace | None:
    return None if asked.speed is None else Pace(asked.speed, asked.max_gap, tell_gap)


def _lines(place: Place, batches: Batches, asked: Asked, out: TextIO) -> int:
    written = 0
    pace = _pace(asked, _gap)
    rows = (row for batch in batches for row in batch)
    shown = for_terminal if out.isatty() else str
    for row in pace.keep(rows) if pace else rows:
        out.write(shown(line_of(place, row)) + "\n")
        written += 1
        if pace or asked.live:
            out.flush()
    return written


def _json(entries: Iterator[Entry], asked: Asked, out: TextIO) -> None:
    start: float | None = None
    pace = _pace(asked, _gap)
    for entry in pace.keep(entries) if pace else entries:
        start = entry.ts if start is None else start
        out.write(safe_json(as_json(entry, start)) + "\n")
        if pace or asked.live:
            out.flush()


def _text(entries: Iterator[Entry], about: About, asked: Asked, prices: Prices, page: Page) -> None:
    teller = Teller(page, full=asked.full)
    sums = Sums(prices)
    pace = _pace(asked, teller.gap)
    begun = False
    for entry in pace.keep(entries) if pace else entries:
        if not begun:
            page.print(heading(about))
        begun = True
        sums.take(entry)
        teller.tell(entry)
        if pace or asked.live:
            page.flush()
    if not begun:
        page.print(heading(about))
    page.print(closing(sums))


def _entries(
    batches: Batches, about: About, *, live: bool, clock: Callable[[], float] = time.monotonic
) -> Iterator[Entry]:
    """Build the timeline of what comes. Live, streamed text is not held until its end."""
    timeline, clocks = Timeline(), Clocks()
    held_since: float | None = None
    for batch in batches:
        for row in batch:
            event = clocks.event(row)
            about.take(event)
            yield from timeline.take(event)
        if not live or not timeline.holds:
            held_since = None
            continue
        held_since = clock() if held_since is None else held_since
        if clock() - held_since > HELD_SECONDS:
            yield from timeline.flush()
    yield from timeline.finish()


def _gap(seconds: float) -> None:
    print(f"headrace: {duration(seconds * 1000)} pass", file=sys.stderr)
