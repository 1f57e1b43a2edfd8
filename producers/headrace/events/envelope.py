r"""The envelope: one JSON object an event, a superset of the seed's JSONL line.

On the wire (one Kafka record's value, one line of a spool), as our producer writes it::

    {"v":1,"tenant":"acme","session":"s-1","user":"u-1","agent":"main","trace":"00-…-01",
     "epoch":"0123456789abcdef","seq":12,"turn":3,"ts":1704067200.123456,
     "type":"tool_complete","data":{…}}

on one line and without blanks. ``user``, ``agent``, ``trace``, ``turn`` and ``duration_ms`` stand
there only when they are known. ``ts`` is seconds since 1970 (float), ``duration_ms`` milliseconds
on the source's monotonic clock: of a turn on ``turn_end``, from the call's start to the first chunk
on the first ``llm_text`` or ``thinking`` of a model call.

Everything up to ``,"seq":`` is the same for a whole epoch and its binding, and ``,"seq":`` cannot
stand inside a JSON string (a quote in there is escaped), so :func:`split_prefix` finds the identity
of a line of ours without decoding it. That is a hint for routing, never evidence: whoever decides
something by a line decodes it with :func:`decode`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import orjson

from headrace.events.errors import EnvelopeError
from headrace.events.identity import Identity

VERSION: Final = 1
SEQ_MARK: Final = b',"seq":'


@dataclass(frozen=True, slots=True)
class Envelope:
    """A decoded event. Unknown keys of the object stand in ``extra``."""

    tenant: str
    session: str
    epoch: str
    seq: int
    ts: float
    type: str
    data: dict[str, Any]
    v: int = VERSION
    user: str | None = None
    agent: str | None = None
    trace: str | None = None
    turn: int | None = None
    duration_ms: float | None = None
    extra: dict[str, Any] | None = None

    @property
    def identity(self) -> Identity:
        return Identity(self.tenant, self.session, self.epoch, self.seq)


_REQUIRED: Final = {
    "tenant": str,
    "session": str,
    "epoch": str,
    "seq": int,
    "ts": (int, float),
    "type": str,
    "data": dict,
}
_OPTIONAL: Final = {
    "v": int,
    "user": (str, type(None)),
    "agent": (str, type(None)),
    "trace": (str, type(None)),
    "turn": (int, type(None)),
    "duration_ms": (int, float, type(None)),
}


def decode(line: bytes) -> Envelope:
    """Decode one event.

    Raises :class:`EnvelopeError` (one line, names the field, never quotes its content) where the
    bytes are not one JSON object with the fields of the contract.
    """
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise EnvelopeError(f"not JSON: {error.msg} at byte {error.pos}") from None
    if not isinstance(fields, dict):
        raise EnvelopeError("not a JSON object")
    known: dict[str, Any] = {}
    for name, kind in _REQUIRED.items():
        if name not in fields:
            raise EnvelopeError(f"{name} is missing")
        known[name] = _checked(name, fields.pop(name), kind)
    for name, kind in _OPTIONAL.items():
        if name in fields:
            known[name] = _checked(name, fields.pop(name), kind)
    if not known["tenant"] or not known["session"] or not known["epoch"]:
        raise EnvelopeError("tenant, session and epoch must not be empty")
    if known["seq"] < 1:
        raise EnvelopeError("seq starts at 1")
    return Envelope(**known, extra=fields or None)


def _checked(name: str, value: Any, kind: Any) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise EnvelopeError(f"{name} has the wrong type ({type(value).__name__})")
    return value


def split_prefix(line: bytes) -> tuple[bytes, int]:
    """Cut a line of ours at its identity: ``(the bytes before ',"seq":', seq)``.

    Raises :class:`EnvelopeError` where the line does not look like one of ours.
    """
    at = line.find(SEQ_MARK)
    if at < 0:
        raise EnvelopeError("no seq: not a line of ours")
    start = at + len(SEQ_MARK)
    end = line.find(b",", start)
    try:
        return line[:at], int(line[start:end])
    except ValueError:
        raise EnvelopeError("seq is not a number") from None


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the envelope, as shipped in ``envelope.schema.json``."""
    text = resources.files("headrace.events").joinpath("envelope.schema.json").read_bytes()
    schema: dict[str, Any] = orjson.loads(text)
    return schema
