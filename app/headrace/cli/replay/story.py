"""A whole session at hand: for the forms that say at the top what it came to."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.cli.archive import Archive
from headrace.cli.replay.entries import Entry
from headrace.cli.replay.logs import weave
from headrace.cli.replay.read import Place, events_of, rows_of
from headrace.cli.replay.sums import About, Sums
from headrace.cli.replay.timeline import build
from headrace.streams.metrics.prices import Prices


@dataclass(frozen=True, slots=True)
class Story:
    """Who, what and what it came to."""

    about: About
    entries: list[Entry]
    sums: Sums

    @property
    def start(self) -> float:
        """Seconds since 1970, from which the entries' times count."""
        return self.entries[0].ts if self.entries else self.about.start or 0.0


def read_story(archive: Archive, place: Place, prices: Prices, *, logs: bool = False) -> Story:
    """Read a session whole. Raises CommandError where ClickHouse fails."""
    about, sums = About.at(place), Sums(prices)
    events = about.watch(events_of(rows_of(archive, place)))
    told = build(events)
    entries = list(sums.watch(weave(archive, place, told) if logs else told))
    return Story(about, entries, sums)


def turns(entries: list[Entry]) -> list[list[Entry]]:
    """Cut a timeline where a turn begins, and after it ended. Nothing is left out."""
    parts: list[list[Entry]] = []
    ended = True
    for entry in entries:
        turn = entry.kind == "turn"
        begins = turn and entry.type == "turn_begin"
        if begins or (ended and not (parts and _outside(parts[-1]))):
            parts.append([])
        parts[-1].append(entry)
        ended = turn and not begins
    return parts


def _outside(part: list[Entry]) -> bool:
    return part[0].kind != "turn"
