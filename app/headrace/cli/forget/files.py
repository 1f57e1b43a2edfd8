"""Blanking a person's lines in files that others append to: spools and logs on this machine.

A line is overwritten by blanks of its own length, so that every offset in the file stays right: who
appends, and who reads behind, notices nothing. Only whole lines are touched, and of a spool only
those that Kafka has: what is still to be shipped goes its way, and the archive honours the order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from headrace.events.settings import Settings
from headrace.producers.lane import Lane
from headrace.producers.sources import TORN
from headrace.streams.erasure.ledger import Lines, lines_of, telling
from headrace.streams.erasure.order import Order
from headrace.streams.erasure.owner import Owner, owner_of

IsTheirs = Callable[[bytes], bool]


@dataclass(slots=True)
class Spooled:
    """What a spool directory holds of a person."""

    delivered: int = 0
    """Lines that Kafka has, and that are kept for a while."""
    waiting: int = 0
    """Lines that Kafka does not have yet."""
    lines: list[tuple[Order, Owner, bytes]] = field(default_factory=list)

    def ledger(self) -> Lines:
        """Return the ledgers' lines of those that Kafka has."""
        return lines_of(self.lines)


def look(settings: Settings, order: Order) -> Spooled:
    """Find a person's lines in the spool. Changes nothing."""
    found = Spooled()
    for path, end in _segments(settings.spool):
        for at, line in _lines(path):
            owner = owner_of(line)
            if owner is None or not _covers(order, owner):
                continue
            if end is not None and at >= end:
                found.waiting += 1
            else:
                found.delivered += 1
                found.lines.append((order, owner, telling(owner, line)))
    return found


def blank_spool(settings: Settings, order: Order) -> None:
    """Blank a person's lines that Kafka has. After the ledger has them."""

    def theirs(line: bytes) -> bool:
        owner = owner_of(line)
        return owner is not None and _covers(order, owner)

    for path, end in _segments(settings.spool):
        blank(path, theirs, end)


def blank_logs(settings: Settings, names: IsTheirs) -> int:
    """Blank the lines of the local stack's logs that name the person."""
    logs = sorted((settings.state_dir / "logs").glob("*.log*"))
    return sum(blank(path, names, None) for path in logs)


def blank(path: Path, theirs: IsTheirs, end: int | None) -> int:
    """Blank whole lines that begin before ``end``; return how many. On disk when it returns."""
    found = [
        (at, len(line)) for at, line in _lines(path) if (end is None or at < end) and theirs(line)
    ]
    if found:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            for at, size in found:
                os.pwrite(fd, b" " * size, at)
            os.fsync(fd)
        finally:
            os.close(fd)
    return len(found)


def _covers(order: Order, owner: Owner) -> bool:
    return owner.tenant == order.tenant and order.covers(owner.session, owner.user)


def _segments(spool_dir: Path) -> Iterator[tuple[Path, int | None]]:
    """Yield the files of a spool, and where in each begins what Kafka does not have."""
    for lane in Lane.all(spool_dir):
        checkpoint = lane.checkpoint()
        for number in lane.segments():
            if number < checkpoint.segment:
                yield lane.segment_path(number), None
            else:
                here = number == checkpoint.segment
                yield lane.segment_path(number), checkpoint.offset if here else 0
    for torn in sorted(spool_dir.glob(f"{TORN}*")):
        yield torn, None


def _lines(path: Path) -> Iterable[tuple[int, bytes]]:
    """Yield a file's whole lines, without their ends, and where each begins."""
    at = 0
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n") and not line.isspace():
                    yield at, line[:-1]
                at += len(line)
    except FileNotFoundError:  # it was done with, and removed
        return
