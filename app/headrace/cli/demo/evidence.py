"""The demo's evidence: the rows of the guide's table, and what was selected for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from headrace.cli.archive import Archive
from headrace.cli.audit.policy import past
from headrace.cli.replay.entries import Event
from headrace.cli.replay.timeline import build
from headrace.events.envelope import Envelope
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


@dataclass(frozen=True, slots=True)
class Evidence:
    """One row of the table."""

    scenario: str
    audit_class: str
    kept: str
    records: int
    example: str
    """The last record, in words, as the agent wrote them."""


def evidence(archive: Archive) -> tuple[Evidence, ...]:
    """Count what is evidence, a row for each scenario of the table. Raises CommandError."""
    return tuple(_rows(_selected(archive)))


def _selected(archive: Archive) -> Iterator[tuple[str, Envelope]]:
    """Yield each record with its class: here it is decided where evidence is read from."""
    policy = policies.load()
    for event, _ in past.read(archive, past.Selection(), policy.types):
        if event is not None and (name := policy.classify(event)) is not None:
            yield name, event


def _rows(selected: Iterable[tuple[str, Envelope]]) -> Iterator[Evidence]:
    classes = policies.load().classes
    found: dict[str, list[Envelope]] = {}
    for name, event in selected:
        found.setdefault(name, []).append(event)
    for name, scenario in ROWS.items():
        records = sorted(found.get(name, ()), key=lambda event: event.ts)
        example = _in_words(records[-1]) if records else ""
        yield Evidence(scenario, name, written(classes[name].retention_days), len(records), example)


def _in_words(event: Envelope) -> str:
    """Tell a record as a replay does."""
    told = build([Event(event.epoch, event.seq, event.ts, event.type, event.data)])
    return next((entry.headline for entry in told if entry.kind != "lost"), event.type)
