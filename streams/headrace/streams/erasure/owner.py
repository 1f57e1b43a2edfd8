"""Whose an event is, read out of its line: also out of lines that the archive will refuse.

A line that is no event by the contract may still be about a person, and would stand among the dead
letters for good. So what cannot be read strictly is read as far as it can be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
import orjson


class _Owned(msgspec.Struct, gc=False):
    tenant: str
    session: str
    epoch: str
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    ts: float
    type: str
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """What tells whose an event is, and which one it is."""

    tenant: str
    session: str
    user: str | None
    epoch: str = ""
    seq: int = 0
    """0: nobody can say which event this was."""
    ts: float = 0.0
    type: str = ""


_owned: Final = msgspec.json.Decoder(_Owned).decode
_STUMBLED: Final = (msgspec.MsgspecError, UnicodeDecodeError, TypeError, RecursionError)
_FIELD: Final = rb'"%b"\s*:\s*"((?:[^"\\]|\\.){0,4096})"'
_fields: Final = {
    name: re.compile(_FIELD % name.encode()).search for name in ("tenant", "session", "user")
}


def owners_of(values: Sequence[bytes | None]) -> list[Owner | None]:
    """Read whose each value is; None where nothing tells."""
    return [None if value is None else owner_of(value) for value in values]


def owner_of(value: bytes) -> Owner | None:
    """Read whose a value is."""
    try:
        found = _owned(value)
    except _STUMBLED:
        return _by_parts(value)
    return Owner(
        found.tenant,
        found.session,
        found.user,
        found.epoch,
        found.seq,
        found.ts,
        found.type,
    )


def _by_parts(value: bytes) -> Owner | None:
    try:
        fields: Any = orjson.loads(value)
    except orjson.JSONDecodeError:
        fields = {name: _text(search(value)) for name, search in _fields.items()}
    if not isinstance(fields, dict) or not isinstance(fields.get("tenant"), str):
        return None
    session, user = fields.get("session"), fields.get("user")
    return Owner(
        fields["tenant"],
        session if isinstance(session, str) else "",
        user if isinstance(user, str) else None,
    )


def _text(found: re.Match[bytes] | None) -> str | None:
    if found is None:
        return None
    try:
        text: str = orjson.loads(b'"' + found.group(1) + b'"')
    except orjson.JSONDecodeError:
        return found.group(1).decode("utf-8", "replace")
    return text
