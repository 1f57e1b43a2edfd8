"""Follow a session in the archive while it runs.

ClickHouse is asked again and again for the numbers that have not been told: those of a new epoch,
those beyond the last one, and those that lacked. So it does not matter in which order, how late or
how often events are archived, and no clock is compared with another.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.cli.replay.read import (
    EVENTS,
    MERGE_APART,
    Clocks,
    NoSessionError,
    Place,
    Row,
    find,
    rows_of,
)
from headrace.cli.text import one_line
from headrace.cli.verify import ranges
from headrace.events import types

POLL_SECONDS: Final = 0.5
"""Between two looks. A look reads only what is new, by the primary key."""
MOST_HOLES: Final = 50
"""Named in a query. Where more lack, everything after the first is read, and told ones are left."""

Wait = Callable[[float], None]


def await_session(
    archive: Archive, session: str, tenant: str | None, *, wait: Wait = time.sleep
) -> Place:
    """Return where a session lies, once it has begun. Says on stderr that it waits."""
    told = False
    while True:
        try:
            return find(archive, session, tenant)
        except NoSessionError as error:
            if not told:
                print(one_line(f"headrace: waiting: {error}"), file=sys.stderr)
            told = True
        wait(POLL_SECONDS)


def follow(archive: Archive, place: Place, *, wait: Wait = time.sleep) -> Iterator[list[Row]]:
    """Yield what is archived, then what comes, up to the session's end.

    A batch may be empty: nothing came. The end is a look that finds nothing, after every epoch has
    told of its end.
    """
    told = _Told()
    for row in rows_of(archive, place):
        told.add(row)
        yield [row]
    while True:
        wait(POLL_SECONDS)
        condition, parameters = told.lacking()
        query = f"{EVENTS} AND ({condition}) ORDER BY epoch, seq{MERGE_APART}"
        rows = [Row(*row) for row in archive.stream(query, {**place.parameters, **parameters})]
        new = [row for row in rows if told.add(row)]
        yield _by_time(new)
        if not new and told.ended:
            return


def _by_time(rows: list[Row]) -> list[Row]:
    clocks = Clocks()
    return [row for _, row in sorted((clocks.at(row), row) for row in rows)]


class _Told:
    """Which numbers of each epoch have been told."""

    def __init__(self) -> None:
        self._seen: dict[str, list[ranges.Range]] = {}
        self._last: dict[str, Row] = {}

    def add(self, row: Row) -> bool:
        """Take note of a row. False where its number had been told before."""
        seen = self._seen.setdefault(row.epoch, [])
        last = seen[-1][1] if seen else 0
        if row.seq > last:
            self._last[row.epoch] = row
            if seen and row.seq == last + 1:
                seen[-1] = (seen[-1][0], row.seq)
            else:
                seen.append((row.seq, row.seq))
            return True
        if not ranges.subtract(((row.seq, row.seq),), tuple(seen)):
            return False
        seen[:] = ranges.normalize([*seen, (row.seq, row.seq)])
        return True

    @property
    def ended(self) -> bool:
        ends = {types.SESSION_END, types.EPOCH_END}
        return all(row.type in ends for row in self._last.values())

    def lacking(self) -> tuple[str, dict[str, Any]]:
        """Return a condition on what is not told, and what it binds."""
        parameters: dict[str, Any] = {"known": list(self._seen)}
        parts = ["epoch NOT IN {known:Array(String)}"]
        for number, (epoch, seen) in enumerate(self._seen.items()):
            holes = ranges.subtract(((1, seen[-1][1]),), tuple(seen))
            if not holes and self._last[epoch].type == types.EPOCH_END:
                continue  # whole: nothing of it can come
            parameters[f"epoch_{number}"] = epoch
            parts.append(f"(epoch = {{epoch_{number}:String}} AND ({_numbers(seen, holes)}))")
        return " OR ".join(parts), parameters


def _numbers(seen: list[ranges.Range], holes: ranges.Ranges) -> str:
    if len(holes) > MOST_HOLES:
        return f"seq >= {holes[0][0]}"
    parts = [f"seq > {seen[-1][1]}", *(f"seq BETWEEN {a} AND {b}" for a, b in holes)]
    return " OR ".join(parts)
