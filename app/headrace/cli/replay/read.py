"""Read one session from the archive: one range of its primary key, in the order of a timeline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from headrace.cli.archive import Archive
from headrace.cli.faults import CommandError
from headrace.cli.replay.entries import Event
from headrace.cli.text import safe_text

# The ledger has a row for each epoch, not for each event: it knows fast whose names they are. It
# outlives the events, and counts what else has epochs, so the events have the last word.
_PLACES: Final = """
SELECT tenant, uniqExact(epoch) AS epochs FROM epochs_ledger
WHERE session = {session:String} GROUP BY tenant ORDER BY tenant
"""
_ANY: Final = """
SELECT 1 FROM events_raw WHERE tenant = {tenant:String} AND session = {session:String} LIMIT 1
"""
_NEAR: Final = """
SELECT session FROM
(
    SELECT DISTINCT session FROM epochs_ledger
    WHERE ({tenant:String} = '' OR tenant = {tenant:String}) AND length(session) < 200
)
WHERE editDistanceUTF8(session, {session:String}) <= greatest(1, lengthUTF8(session) / 3)
ORDER BY editDistanceUTF8(session, {session:String}), session LIMIT 3
"""
DEEPEST: Final = 200
"""Levels of nesting that every writer of JSON takes."""
LONGEST_NAME: Final = 200
"""Characters of a name for which near ones are looked for: the distance costs their product."""

MOST_TENANTS: Final = 20
"""Of whom it is asked whether they have such a session, and who are named."""

EVENTS: Final = """
SELECT epoch, seq, ts, type, data, v, user, agent, trace, turn, duration_ms
FROM events_raw FINAL
WHERE tenant = {tenant:String} AND session = {session:String}
"""
_IN_ORDER: Final = " ORDER BY epoch, seq"
# Several processes may speak in one session. Within an epoch seq decides, however the wall clock
# jumped; between epochs the time, which therefore must not fall within one.
_BY_TIME: Final = " ORDER BY max(ts) OVER (PARTITION BY epoch ORDER BY seq), epoch, seq"
MERGE_APART: Final = " SETTINGS do_not_merge_across_partitions_select_final = 1"
"""A week follows from the event's bytes, so partitions hold no copies of each other's rows."""


class Row(NamedTuple):
    """An event as it is archived."""

    epoch: str
    seq: int
    ts: float
    type: str
    data: str
    """The exact text."""
    v: int
    user: str
    agent: str
    trace: str
    turn: int | None
    duration_ms: float | None


class NoSessionError(CommandError):
    """The archive has no events of it, or none yet."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session lies."""

    tenant: str
    session: str
    epochs: int

    @property
    def parameters(self) -> dict[str, Any]:
        return {"tenant": self.tenant, "session": self.session}


def find(archive: Archive, session: str, tenant: str | None) -> Place:
    """Find a session. Raises NoSessionError, and CommandError where it is not one."""
    rows = archive.rows(_PLACES, {"session": session})
    places = [Place(row["tenant"], session, row["epochs"]) for row in rows]
    fitting = [place for place in places if tenant in {None, place.tenant}]
    if len(fitting) <= MOST_TENANTS:
        fitting = [place for place in fitting if archive.rows(_ANY, place.parameters)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise CommandError(f"several tenants have that session: add --tenant, {_names(fitting)}")
    whose = "" if tenant is None else f" of tenant {tenant}"
    others = [place for place in places if place.tenant != tenant]
    hint = f"; but {_names(others)}" if tenant and others else _near(archive, session, tenant)
    raise NoSessionError(
        f"no events of session {session}{whose}{hint}: `headrace sessions` lists what is archived"
    )


def _names(places: list[Place]) -> str:
    names = ", ".join(safe_text(place.tenant) for place in places[:MOST_TENANTS])
    return f"one of {names}" + (", …" if len(places) > MOST_TENANTS else "")


def _near(archive: Archive, session: str, tenant: str | None) -> str:
    if len(session) >= LONGEST_NAME:
        return ""
    rows = archive.rows(_NEAR, {"session": session, "tenant": tenant or ""})
    names = [row["session"] for row in rows]
    if session in names:
        return ", though it was known: they expired or were forgotten, or only its logs are there"
    return f"; is it {' or '.join(map(safe_text, names))}?" if names else ""


def rows_of(archive: Archive, place: Place) -> Iterator[Row]:
    """Yield a session's rows in order."""
    order = _IN_ORDER if place.epochs == 1 else _BY_TIME
    for row in archive.stream(EVENTS + order + MERGE_APART, place.parameters):
        yield Row(*row)


def read_session(archive: Archive, session: str, tenant: str | None) -> Iterator[Event]:
    """Yield the events of a session. Raises CommandError where it is not there or not one."""
    return events_of(rows_of(archive, find(archive, session, tenant)))


def events_of(rows: Iterable[Row]) -> Iterator[Event]:
    """Decode rows in a timeline's order."""
    clocks = Clocks()
    for row in rows:
        yield clocks.event(row)


class Clocks:
    """The time of each event on the timeline: its source's, which does not fall within an epoch."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[int, float]] = {}

    def at(self, row: Row) -> float:
        """Return when it was, in seconds since 1970. What comes late keeps its own time."""
        seq, ts = self._latest.get(row.epoch, (0, 0.0))
        if row.seq < seq:
            return row.ts
        at = max(ts, row.ts)
        self._latest[row.epoch] = row.seq, at
        return at

    def event(self, row: Row) -> Event:
        """Decode a row."""
        return Event(
            epoch=row.epoch,
            seq=row.seq,
            ts=self.at(row),
            type=row.type,
            data=decode_data(row.data),
            agent=row.agent or None,
            turn=row.turn,
            duration_ms=row.duration_ms,
            user=row.user or None,
            trace=row.trace or None,
        )


def decode_data(text: str) -> dict[str, Any]:
    """Decode an event's payload. What no JSON reader takes is shown as the text that it is.

    So is what is nested so deep that nobody could write it again.
    """
    may_be_deep = text.count("[") + text.count("{") > DEEPEST
    for loads in (orjson.loads, json.loads):
        try:
            data = loads(text)
            if may_be_deep:
                orjson.dumps(data)
        except (ValueError, TypeError, RecursionError):
            continue
        if isinstance(data, dict):
            return data
    return {"text": text}
