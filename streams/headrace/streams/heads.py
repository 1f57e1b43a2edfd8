"""What a metric must know of an event, read out of its line without making the rest.

The whole line is walked, so that nothing is believed that a full reading would not find: a key in
other letters or given twice means the same here as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

LATEST_TS: Final = 4_294_967_296
"""Seconds since 1970 that the archive takes, too."""

NAME_LENGTH: Final = 1024
"""Characters. A tenant stands in the key and in the value of each of its panes, and they must fit
into a record; session and epoch are remembered."""

_Text = Annotated[str, Meta(min_length=1)]
_Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]


class _Object(msgspec.Struct, gc=False):
    """Any JSON object, walked and not kept."""


class Head(msgspec.Struct, gc=False):
    """The envelope of one event."""

    tenant: _Name
    session: _Name
    epoch: _Name
    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    ts: Annotated[float, Meta(ge=0, lt=LATEST_TS)]
    type: _Text
    data: _Object
    duration_ms: float | None = None


class _Whole(msgspec.Struct):
    data: dict[str, Any]


_head: Final = msgspec.json.Decoder(Head).decode
_whole: Final = msgspec.json.Decoder(_Whole).decode
# msgspec reports JSON in errors of its own, but bytes that are no UTF-8 in Python's.
_STUMBLED: Final = (msgspec.MsgspecError, UnicodeDecodeError, TypeError, RecursionError)


def heads_of(values: Sequence[bytes | None]) -> Sequence[Head | None]:
    """Read events, each in its place; None where one is none, which is the archive's to judge."""
    try:
        return list(map(_head, values))  # type: ignore[arg-type]
    except _STUMBLED:
        return [_head_or_none(value) for value in values]


def _head_or_none(value: bytes | None) -> Head | None:
    try:
        return _head(value)  # type: ignore[arg-type]
    except _STUMBLED:
        return None


def data_of(value: bytes) -> dict[str, Any]:
    """Make the ``data`` of an event whose head was read; nothing of what cannot be made (1e400)."""
    try:
        return _whole(value).data
    except _STUMBLED:
        return {}
