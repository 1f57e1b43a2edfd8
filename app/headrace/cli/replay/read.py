"""Read one session's events from the archive, in the order of a timeline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import orjson

from headrace.cli.archive import Archive
from headrace.cli.faults import CommandError
from headrace.cli.replay.entries import Event
from headrace.cli.text import safe_text

# Not the view: whose it is needs no merging of duplicates, which would read every tenant's rows.
_TENANTS: Final = "SELECT DISTINCT tenant FROM events_raw WHERE session = {session:String}"

# Several processes may speak in one session. Within an epoch seq decides, however the wall clock
# jumped; between epochs the time, which therefore must not fall within one.
_EVENTS: Final = """
SELECT epoch, seq, max(ts) OVER (PARTITION BY epoch ORDER BY seq) AS at, type, data, agent, turn,
    source_duration_ms
FROM events
WHERE tenant = {tenant:String} AND session = {session:String}
ORDER BY at, epoch, seq
"""


def read_session(archive: Archive, session: str, tenant: str | None) -> Iterator[Event]:
    """Yield the events of a session. Raises CommandError where it is not there or not one."""
    tenant = tenant or _only_tenant(archive, session)
    parameters = {"tenant": tenant, "session": session}
    found = False
    for epoch, seq, at, kind, data, agent, turn, duration_ms in archive.stream(_EVENTS, parameters):
        found = True
        yield Event(
            epoch=epoch,
            seq=seq,
            ts=at,
            type=kind,
            data=decode_data(data),
            agent=agent or None,
            turn=turn,
            duration_ms=duration_ms,
        )
    if not found:
        raise CommandError(_nothing(session, f" of tenant {tenant}"))


def decode_data(text: str) -> dict[str, Any]:
    """Decode an event's payload. What no JSON reader takes is shown as the text that it is."""
    for loads in (orjson.loads, json.loads):
        try:
            data = loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            return data
    return {"text": text}


def _only_tenant(archive: Archive, session: str) -> str:
    tenants = [row["tenant"] for row in archive.rows(_TENANTS, {"session": session})]
    if not tenants:
        raise CommandError(_nothing(session, ""))
    if len(tenants) > 1:
        names = ", ".join(safe_text(name) for name in sorted(tenants))
        raise CommandError(f"several tenants have that session: add --tenant, one of {names}")
    name: str = tenants[0]
    return name


def _nothing(session: str, whose: str) -> str:
    return f"no events of session {session}{whose}: `headrace sessions` lists what is archived"
