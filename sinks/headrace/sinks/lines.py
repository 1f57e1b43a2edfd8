r"""May this value stand on a line of JSONEachRow? Decides by the value alone.

The server would take ``{…}{…}`` for two rows and an empty line for none, so a value must be one
object. Nor may an event's ``seq`` be one that the server would bend: it reads 2^64 + 1 as 1, and
``"7"`` as 7. A walk over the value that keeps nothing but ``seq`` sees both; only where that walk
stumbles is looked closer, since it is stricter than the server in what does not matter here.
"""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Annotated, Any, Final

import msgspec
import orjson

from headrace.sinks.base import Values

_OPEN: Final = ord("{")
_CLOSE: Final = ord("}")
# A seq that is no plain number of up to 19 digits, and a key that may be seq in other letters.
_odd_seq: Final = re.compile(rb'"seq"(?!:[1-9][0-9]{0,18}[,}])').search
_spelt: Final = re.compile(rb"\\u00[67]").search
# The separators that ClickHouse accepts between two rows.
_might_be_two: Final = re.compile(rb"\}[\s,;\x0b\x0c]*\{").search


class _Object(msgspec.Struct):
    """Any one JSON object."""


class _Numbered(msgspec.Struct):
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


_walk_object: Final = msgspec.json.Decoder(_Object).decode
_walk_numbered: Final = msgspec.json.Decoder(_Numbered).decode
_DIGITS: Final = len(str(1 << 64))
_STUMBLED: Final = (msgspec.MsgspecError, TypeError, RecursionError)


def faults(values: Values, *, numbered: bool) -> dict[int, str]:
    """Return why values cannot be one row, by index. A reason never quotes the value.

    ``numbered``: they have a ``seq``, as events do.
    """
    walk: Any = _walk_numbered if numbered else _walk_object
    try:
        # One call for all, as this is the only work that every event costs here.
        deque(map(walk, values), maxlen=0)
    except _STUMBLED:
        found = ((index, _fault_of(value, numbered)) for index, value in enumerate(values))
        return {index: fault for index, fault in found if fault is not None}
    return {}


def _fault_of(value: bytes | None, numbered: bool) -> str | None:
    if not value:
        return "empty value"
    try:
        (_walk_numbered if numbered else _walk_object)(value)
    except _STUMBLED:
        return _fault_at_a_closer_look(value, numbered)
    return None


def _fault_at_a_closer_look(value: bytes, numbered: bool) -> str | None:
    if value[0] != _OPEN or value[-1] != _CLOSE:
        return "not one JSON object"
    if not (_might_be_two(value) or (numbered and (_odd_seq(value) or _spelt(value)))):
        return None
    try:
        seq = _seq_of(value)
    except (ValueError, RecursionError):
        return "not one JSON object"
    # A number beyond 64 bits comes as a float. What else is wrong with it, the server refuses.
    bent = numbered and isinstance(seq, (str, float))
    return "seq is no whole number below 2^64" if bent else None


def _seq_of(value: bytes) -> Any:
    try:
        return orjson.loads(value).get("seq")
    except orjson.JSONDecodeError:
        # It may be NaN or Infinity, which the server takes for numbers.
        return json.loads(value, parse_int=_whole).get("seq")


def _whole(digits: str) -> int | float:
    # Python reads no whole number of thousands of digits.
    number = int(digits) if len(digits) <= _DIGITS else 1 << 64
    return number if number < 1 << 64 else float(number)
