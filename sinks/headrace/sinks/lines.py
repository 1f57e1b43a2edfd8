r"""May this value stand on a line of JSONEachRow? Decides by the value alone.

The server would take ``{…}{…}`` for two rows and an empty line for none, so a value must be one
object. Lines of ours are told by three cheap looks; only what might hold a second object at its top
level (a ``}`` and a ``{`` with nothing but separators between them, as in a list of objects) is
decoded to see.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

# The separators that ClickHouse accepts between two rows.
_might_be_two: Final = re.compile(rb"\}[\s,;\x0b\x0c]*\{").search


def fault_of(value: bytes | None) -> str | None:
    """Return why the value cannot be one row, or None. The reason never quotes the value."""
    if not value:
        return "empty value"
    if value[0] != 0x7B or value[-1] != 0x7D:
        return "not one JSON object"
    if _might_be_two(value) is None:
        return None
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return "not one JSON object"
    return None
