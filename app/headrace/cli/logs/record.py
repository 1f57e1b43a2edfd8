"""One log record, as the archive and as Kafka have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from headrace.events import types
from headrace.events.envelope import Envelope
from headrace.events.identity import Identity


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of it. Texts are as they were logged: hostile."""

    tenant: str
    session: str
    user: str
    agent: str
    epoch: str
    seq: int
    ts: float
    trace: str
    data: dict[str, Any]

    @property
    def identity(self) -> Identity:
        return Identity(self.tenant, self.session, self.epoch, self.seq)

    @property
    def level(self) -> str:
        return self.text("level")

    @property
    def level_no(self) -> int:
        value = self.data.get("level_no")
        return value if isinstance(value, int) else 0

    @property
    def trace_id(self) -> str:
        return _part(self.trace, 3, 32)

    @property
    def span_id(self) -> str:
        return _part(self.trace, 36, 16)

    def text(self, name: str) -> str:
        """Return a field that is a text; nothing where it is none."""
        value = self.data.get(name)
        return value if isinstance(value, str) else ""

    def searched(self) -> str:
        """Return what is searched: the message and the traceback."""
        message, exception = self.text("message"), self.text("exception")
        return f"{message}\n{exception}" if exception else message

    def as_json(self) -> dict[str, Any]:
        named = ("tenant", "session", "user", "agent", "epoch", "seq", "ts")
        known = {name: getattr(self, name) for name in named}
        known |= {"trace_id": self.trace_id, "span_id": self.span_id}
        return known | self.data | known  # whose it is, no record says of itself


def of_event(event: Envelope) -> Record | None:
    """Return the record of an envelope; None where it is of something else."""
    if event.type != types.LOG:
        return None
    return Record(
        tenant=event.tenant,
        session=event.session,
        user=event.user or "",
        agent=event.agent or "",
        epoch=event.epoch,
        seq=event.seq,
        ts=event.ts,
        trace=event.trace or "",
        data=event.data,
    )


def data_of(text: str) -> dict[str, Any]:
    """Decode the payload. What cannot be is shown as the text that it is."""
    try:
        data = orjson.loads(text)
    except ValueError:
        data = None
    return data if isinstance(data, dict) else {"message": text}


def _part(trace: str, start: int, length: int) -> str:
    whole = len(trace) >= 55  # noqa: PLR2004 - 00-<32>-<16>-<2>
    return trace[start : start + length] if whole else ""
