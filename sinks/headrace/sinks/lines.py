r"""May this value stand on a line of JSONEachRow? Decides by the value alone.

The server would take ``{…}{…}`` for two rows and an empty line for none, so a value must be one
object. Lines of ours are told by three cheap looks; only what might hold a second object at its top
level (a ``}`` and a ``{`` with nothing but separators between them, as in a list of objects) is
decoded to see. So is what might hold a ``seq`` that the server would bend: it reads 2^64 + 1 as 1,
and ``"7"`` as 7.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

from headrace.sinks.base import Values

_OPEN: Final = ord("{")
_CLOSE: Final = ord("}")
# A seq that is no plain number of up to 19 digits, and a key that may be seq in other letters.
_odd_seq: Final = re.compile(rb'"seq"(?!:[1-9][0-9]{0,18}[,}])').search
_spelt: Final = re.compile(rb"\\u00[67]").search
# The separators that ClickHouse accepts between two rows.
_might_be_two: Final = re.compile(rb"\}[\s,;\x0b\x0c]*\{").search


def faults(values: Values) -> dict[int, str]:
    """Return why values cannot be one row, by index. A reason never quotes the value."""
    look = _might_be_two
    # One comprehension, as this is the only work that every event costs here.
    suspects = [
        index
        for index, value in enumerate(values)
        if not value or value[0] != _OPEN or value[-1] != _CLOSE or look(value)
    ]
    block = b"\n".join(value for value in values if value)  # one look at all is half of many
    # The two substrings stand for the pattern `_spelt`.
    if _odd_seq(block) or b"\\u006" in block or b"\\u007" in block:
        odd = (i for i, value in enumerate(values) if value and (_odd_seq(value) or _spelt(value)))
        suspects = sorted({*suspects, *odd})
    found = ((index, _fault_of(values[index])) for index in suspects)
    return {index: fault for index, fault in found if fault is not None}


def _fault_of(value: bytes | None) -> str | None:
    if not value:
        return "empty value"
    if value[0] != _OPEN or value[-1] != _CLOSE:
        return "not one JSON object"
    try:
        seq = orjson.loads(value).get("seq")
    except orjson.JSONDecodeError:
        return "not one JSON object"
    # A number beyond 64 bits comes as a float. What else is wrong with it, the server refuses.
    return "seq is no whole number below 2^64" if isinstance(seq, (str, float)) else None
