"""A policy over the archive. SQL narrows by type, tenant and time; the policy itself decides."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from headrace.cli.archive import Archive
from headrace.cli.audit.policy.trial import Trial
from headrace.cli.progress import Line
from headrace.events.envelope import Envelope
from headrace.streams.audit.policy import Policy

LAST_SECOND: Final = 2.0**32 - 1
"""Since 1970, as the archive keeps times."""
TOLD_EVERY: Final = 0.1
"""Seconds between two looks of the progress."""

# Of the view's rows the whole `data` would be read: ClickHouse filters those after merging them. A
# row's fingerprint covers its type, so that rows which merge have one type, and it can go before.
_EVENTS: Final = """
FROM events_raw FINAL
PREWHERE type IN {types:Array(String)}
WHERE time >= fromUnixTimestamp64Micro({start:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Micro({end:Int64}, 'UTC')
    AND ({tenant:String} = '' OR tenant = {tenant:String})
SETTINGS do_not_merge_across_partitions_select_final = 1
"""
_COUNT: Final = "SELECT count() AS events" + _EVENTS
_READ: Final = "SELECT tenant, session, epoch, seq, ts, type, data, user" + _EVENTS


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events of the archive are looked at."""

    start: float = 0.0
    """Seconds since 1970."""
    end: float = LAST_SECOND
    tenant: str | None = None

    def parameters(self, types: frozenset[str]) -> dict[str, Any]:
        return {
            "types": sorted(types),
            "start": int(self.start * 1_000_000),
            "end": int(self.end * 1_000_000),
            "tenant": self.tenant or "",
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    trial: Trial
    unreadable: int
    """Events whose data no decoder takes: the audit trail cannot take them either."""


def try_out(
    archive: Archive, policy: Policy, current: Policy | None, selection: Selection
) -> Outcome:
    """Try a policy on the archive, event by event, in bounded memory. Raises CommandError."""
    trial = Trial(policy, current)
    types = policy.types | (current.types if current else frozenset())
    unreadable = 0
    with Line() as line:
        line.say("Looking into the archive")
        wanted: int = archive.rows(_COUNT, selection.parameters(types))[0]["events"]
        for event, size in _told(line, wanted, read(archive, selection, types)):
            if event is None:
                unreadable += 1
            else:
                trial.judge(event, size)
    return Outcome(trial, unreadable)


def _told(line: Line, wanted: int, events: Iterator[Any]) -> Iterator[Any]:
    """Pass events on, and say now and then how far it is."""
    told = time.monotonic()
    for done, event in enumerate(events):
        if time.monotonic() - told > TOLD_EVERY:
            told = time.monotonic()
            line.say(f"Judging {wanted:,} events", done=done, total=wanted)
        yield event


def read(
    archive: Archive, selection: Selection, types: frozenset[str]
) -> Iterator[tuple[Envelope | None, int]]:
    """Yield events of these types with the bytes of their data, None for one that cannot be read.

    One by one, in no order. Raises CommandError.
    """
    parameters = selection.parameters(types)
    for tenant, session, epoch, seq, ts, kind, text, user in archive.stream(_READ, parameters):
        data = _data_of(text)
        if data is None:
            yield None, 0
            continue
        event = Envelope(tenant, session, epoch, seq, ts, kind, data, user=user or None)
        yield event, len(text.encode())


def _data_of(text: str) -> dict[str, Any] | None:
    """Decode as :func:`headrace.events.envelope.decode` does, for whom the policy is written."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return data if isinstance(data, dict) else None
