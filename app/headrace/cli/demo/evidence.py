"""The demo's evidence: the rows of the guide's table, and what was sealed of each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.cli.archive import connect
from headrace.cli.audit import reader
from headrace.cli.audit.policy import past
from headrace.cli.audit.search import Found, Search, search
from headrace.cli.audit.selection import Selection
from headrace.cli.audit.verifying import verify
from headrace.cli.faults import CommandError
from headrace.cli.replay.entries import Event
from headrace.cli.replay.timeline import build
from headrace.events.settings import Settings
from headrace.sinks.audit.verify.offline import Report
from headrace.streams.audit import policy as policies
from headrace.streams.audit.retention import written

ROWS: Final = {
    "session": "User starts a session",
    "approval": "User approves dangerous tool, or does not",
    "permission": "Permission rule denied, or had somebody asked",
    "business": "Agent modified user data",
    "erasure": 'User requests "forget me"',
}
"""By class of the shipped policy."""
SEALED_SECONDS: Final = 60.0
"""A segment is sealed after ten."""
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """One row of the table."""

    scenario: str
    audit_class: str
    kept: str
    records: int
    example: str
    """The last record, in words, as the agent wrote them: it was decrypted."""


@dataclass(frozen=True, slots=True)
class Trail:
    """What was sealed, and whether it is whole."""

    rows: tuple[Evidence, ...]
    report: Report


def trail(settings: Settings) -> Trail:
    """Wait until all evidence is sealed, read it as ``audit_reader``, verify the vault.

    The reading is told of, as every reading of evidence is. Raises CommandError.
    """
    _wait_sealed(settings)
    asked = Search(Selection(), _MOST, who="the demo", open=True)
    return Trail(tuple(_rows(search(settings, asked))), verify(settings, None, (), ()))


def _wait_sealed(settings: Settings) -> None:
    """Wait until ClickHouse has what the policy selects of the archive."""
    policy = policies.load()
    with connect(settings) as archive:
        events = (event for event, _ in past.read(archive, past.Selection(), policy.types))
        wanted = Counter(policy.classify(event) for event in events if event is not None)
    del wanted[None]
    until = time.monotonic() + SEALED_SECONDS
    with reader.connect(settings) as archive:
        while archive.rows(_SEALED)[0]["n"] < wanted.total():
            if time.monotonic() > until:
                raise CommandError(
                    f"the evidence was not sealed within {SEALED_SECONDS:.0f} s: look into "
                    "logs/audit.log and logs/seal.log of the state directory"
                )
            time.sleep(0.2)


_SEALED: Final = "SELECT count() AS n FROM audit WHERE kind = 'event'"


def _rows(found: Sequence[Found]) -> Iterator[Evidence]:
    classes = policies.load().classes
    for name, scenario in ROWS.items():
        kept = written(classes[name].retention_days)
        records = [one for one in found if one.row["class"] == name]
        yield Evidence(scenario, name, kept, len(records), _in_words(records[:1]))


def _in_words(latest: Sequence[Found]) -> str:
    """Tell a record as a replay does; empty where there is none."""
    fields = ("epoch", "seq", "ts", "type", "data")
    for one in latest:
        event = one.opened.event if one.opened else None
        if event is None:
            return one.opened.why or "" if one.opened else ""
        told = build([Event(*(event[field] for field in fields))])
        return next((entry.headline for entry in told if entry.kind != "lost"), event["type"])
    return ""
