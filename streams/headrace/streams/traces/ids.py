"""The ids of traces and spans: the same events give the same ids, whoever reads them, and when."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final, NamedTuple

import orjson

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16


class Caller(NamedTuple):
    """The span of the application that called the agent."""

    trace: str
    span: str


def caller(traceparent: str | None) -> Caller | None:
    """Read a W3C traceparent; None where it is none."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None or found[1] == "ff" or (found[1] == "00" and found[4]):
        return None
    if found[2] == _NO_TRACE or found[3] == _NO_SPAN:
        return None
    return Caller(found[2], found[3])


def trace_id(tenant: str, session: str, epoch: str, turn: int | None) -> str:
    """Return the id of a turn's trace where the application gave none: 32 hex digits."""
    return _digits(["trace", tenant, session, epoch, turn], 16)


def span_id(tenant: str, session: str, epoch: str, seq: int) -> str:
    """Return the id of the span whose first event that is: 16 hex digits."""
    return _digits(["span", tenant, session, epoch, seq], 8)


def _digits(about: list[Any], length: int) -> str:
    digest = hashlib.sha256(orjson.dumps(about)).digest()[:length]
    return digest.hex() if any(digest) else "1".zfill(2 * length)
