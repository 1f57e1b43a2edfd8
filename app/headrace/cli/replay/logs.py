"""A session's log records, as entries between those of its timeline."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Final

from headrace.cli.archive import Archive
from headrace.cli.replay.entries import Entry
from headrace.cli.replay.read import Place

_RECORDS: Final = """
SELECT ts, level, logger, message, exception FROM logs
WHERE tenant = {tenant:String} AND session = {session:String}
ORDER BY ts, epoch, seq
"""
_BAD: Final = frozenset({"ERROR", "CRITICAL", "FATAL"})


def weave(archive: Archive, place: Place, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the entries in their order, and each log record where its time is among them.

    Raises CommandError where the archive has no log records' table.
    """
    records = _records(archive, place)
    return heapq.merge(entries, records, key=lambda entry: entry.ts)


def _records(archive: Archive, place: Place) -> Iterator[Entry]:
    for ts, level, logger, message, exception in archive.stream(_RECORDS, place.parameters):
        first, _, rest = message.partition("\n")
        yield Entry(
            ts,
            "log",
            f"{level} {logger}: {first}",
            "bad" if level in _BAD else "quiet",
            body="\n".join(part for part in (rest, exception) if part) or None,
            facts={"level": level, "logger": logger},
            type="log",
        )
