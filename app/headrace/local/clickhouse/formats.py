"""Output formats: their content types, and which can be sent block by block."""

from __future__ import annotations

import re
from typing import Final

from headrace.local.clickhouse.errors import ClickHouseError

DEFAULT: Final = "TabSeparated"

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_ALIASES: Final = {
    "tsv": "tabseparated",
    "tsvraw": "tabseparatedraw",
    "tsvwithnames": "tabseparatedwithnames",
    "tsvwithnamesandtypes": "tabseparatedwithnamesandtypes",
    "tsvrawwithnames": "tabseparatedrawwithnames",
    "raw": "tabseparatedraw",
    "ndjson": "jsoneachrow",
    "jsonlines": "jsoneachrow",
}
_BLOCKWISE: Final = frozenset(
    {"native", "tabseparated", "tabseparatedraw", "csv", "rowbinary", "jsoneachrow"}
    | {"jsoncompacteachrow", "jsonstringseachrow", "lineasstring", "null"}
)
_HEADER_LINES: Final = {
    "tabseparatedwithnames": 1,
    "tabseparatedwithnamesandtypes": 2,
    "tabseparatedrawwithnames": 1,
    "csvwithnames": 1,
    "csvwithnamesandtypes": 2,
    "jsoncompacteachrowwithnames": 1,
    "jsoncompacteachrowwithnamesandtypes": 2,
    "jsoncompactstringseachrowwithnames": 1,
    "jsoncompactstringseachrowwithnamesandtypes": 2,
}
_PIPED: Final = frozenset({"parquet", "arrow", "arrowstream"})
"""Formats of files, with one head and one foot, that are written as the rows come."""
_CONTENT_TYPES: Final = (
    ("json", "application/json; charset=UTF-8"),
    ("csv", "text/csv; charset=UTF-8; header={header}"),
    ("tabseparated", "text/tab-separated-values; charset=UTF-8"),
    ("xml", "application/xml; charset=UTF-8"),
    ("pretty", "text/plain; charset=UTF-8"),
    ("vertical", "text/plain; charset=UTF-8"),
    ("markdown", "text/markdown; charset=UTF-8"),
)


def checked(name: str) -> str:
    """Return the name of a format, for it goes to the engine beside the statement.

    Raises :class:`ClickHouseError` (73) for what is no name at all.
    """
    if not _NAME.fullmatch(name):
        raise ClickHouseError(73, f"Unknown format {name[:64]!r}", "UNKNOWN_FORMAT")
    return name


def canonical(name: str) -> str:
    lower = name.lower()
    return _ALIASES.get(lower, lower)


def is_streamed(name: str) -> bool:
    """Whether the answers of the blocks, one after another, are the answer of the whole."""
    return canonical(name) in _BLOCKWISE or has_header(name)


def is_piped(name: str) -> bool:
    """Whether the engine must write the whole of it, and can do so without holding it."""
    return canonical(name) in _PIPED


def has_header(name: str) -> bool:
    """Whether each block begins with the columns' names, which are wanted once."""
    return canonical(name) in _HEADER_LINES


def header_length(name: str, piece: bytes) -> int:
    """Return the length of the header that a block in this format begins with."""
    at = 0
    csv = canonical(name).startswith("csv")
    for _ in range(_HEADER_LINES[canonical(name)]):
        end = piece.find(b"\n", at)
        while csv and end >= 0 and piece.count(b'"', at, end) % 2:  # a line break in a name
            end = piece.find(b"\n", end + 1)
        if end < 0:
            return len(piece)
        at = end + 1
    return at


def content_type(name: str) -> str:
    lower = canonical(name)
    if lower.endswith("eachrow"):
        return "application/x-ndjson; charset=UTF-8"
    for beginning, found in _CONTENT_TYPES:
        if lower.startswith(beginning):
            header = "present" if "withnames" in lower else "absent"
            return found.format(header=header)
    return "application/octet-stream"
