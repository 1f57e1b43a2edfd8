r"""May this value stand on a line of JSONEachRow? Decides by the value alone.

The server would take ``{…}{…}`` for two rows and an empty line for none, so a value must be one
object. Nor may its ``seq`` be one that the server would bend: it reads 2^64 + 1 as 1, and ``"7"``
as 7. A walk over the value that keeps nothing but ``seq`` sees both; only where that walk stumbles
is looked closer, since it is stricter than the server in what does not matter here.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Annotated, Final

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


class _Line(msgspec.Struct):
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


_walk: Final = msgspec.json.Decoder(_Line).decode
_STUMBLED: Final = (msgspec.MsgspecError, TypeError, RecursionError)


def faults(values: Values) -> dict[int, str]:
    """Return why values cannot be one row, by index. A reason never quotes the value."""
    try:
        # One call for all, as this is the only work that every event costs here.
        deque(map(_walk, values), maxlen=0)  # type: ignore[arg-type]
    except _STUMBLED:
        found = ((index, _fault_of(value)) for index, value in enumerate(values))
        return {index: fault for index, fault in found if fault is not None}
    return {}


def _fault_of(value: bytes | None) -> str | None:
    if not value:
        return "empty value"
    try:
        _walk(value)
    except _STUMBLED:
        return _fault_at_a_closer_look(value)
    return None


def _fault_at_a_closer_look(value: bytes) -> str | None:
    if value[0] != _OPEN or value[-1] != _CLOSE:
        return "not one JSON object"
    if not (_might_be_two(value) or _odd_seq(value) or _spelt(value)):
        return None
    try:
        seq = orjson.loads(value).get("seq")
    except orjson.JSONDecodeError:
        return "not one JSON object"
    # A number beyond 64 bits comes as a float. What else is wrong with it, the server refuses.
    return "seq is no whole number below 2^64" if isinstance(seq, (str, float)) else None
