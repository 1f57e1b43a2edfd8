"""The Native format as newer protocols frame it (clickhouse-go, and so Grafana's plugin).

A client that sends ``client_protocol_version`` expects before each block its info, and behind each
column's type a flag. chDB writes neither, so blocks are walked and both put in. Older versions of
the protocol get blocks as they are: clickhouse-connect asks first whether it does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from headrace.local.clickhouse.errors import ClickHouseError

FLAGGED: Final = 54454
"""The protocol version from which on columns have the flag (custom serialization)."""
SETTINGS: Final = {"output_format_native_write_json_as_string": "1"}
"""What chDB must be told, so that the walk knows every column: JSON as text."""

_INFO: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"
_WIDTHS: Final = {
    **dict.fromkeys(("Int8", "UInt8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("Int16", "UInt16", "Enum16", "Date", "BFloat16"), 2),
    **dict.fromkeys(("Int32", "UInt32", "Float32", "Date32", "DateTime", "IPv4", "Time"), 4),
    **dict.fromkeys(("Int64", "UInt64", "Float64", "DateTime64", "Time64", "Decimal64"), 8),
    **dict.fromkeys(("Int128", "UInt128", "UUID", "IPv6"), 16),
    **dict.fromkeys(("Int256", "UInt256"), 32),
}
_ALIASES: Final = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiLineString": "Array(LineString)",
    "MultiPolygon": "Array(Polygon)",
}
_DECIMALS: Final = ((9, 4), (18, 8), (38, 16), (76, 32))

Walk = Callable[[bytes, int, int], int]
"""``(data, position, rows) -> position behind``"""


def reframe(data: bytes) -> bytes:
    """Put the info and the flags into whole Native blocks.

    Raises :class:`ClickHouseError` (48) for a type that cannot be walked.
    """
    out: list[bytes] = []
    at = 0
    while at < len(data):
        start = at
        columns, at = _varint(data, at)
        rows, at = _varint(data, at)
        out += [_INFO, data[start:at]]
        for _ in range(columns):
            start = at
            _, at = _text(data, at)
            kind, at = _text(data, at)
            out += [data[start:at], b"\x00"]
            if rows:
                prefix, walk = _column(kind.decode())
                end = walk(data, at + prefix, rows)
                out.append(data[at:end])
                at = end
    return b"".join(out)


@lru_cache(1024)
def _column(kind: str) -> tuple[int, Walk]:
    """Return the bytes of a column's prefix, and the walk over its rows."""
    name, arguments = _parse(kind)
    if name in _ALIASES:
        return _column(_ALIASES[name])
    if name in _WIDTHS or name.startswith("Interval"):
        return 0, _fixed(_WIDTHS.get(name, 8))
    if name == "Decimal":
        digits = int(arguments[0])
        return 0, _fixed(next(width for most, width in _DECIMALS if digits <= most))
    if name == "FixedString":
        return 0, _fixed(int(arguments[0]))
    if name == "String":
        return 0, _strings
    if name == "JSON":
        return 8, _strings
    if name == "SimpleAggregateFunction":
        return _column(arguments[1])
    if name == "LowCardinality":
        return 8, _low_cardinality(arguments[0])
    if name == "Nullable":
        prefix, inner = _column(arguments[0])
        return prefix, lambda data, at, rows: inner(data, at + rows, rows)
    if name == "Array":
        prefix, inner = _column(arguments[0])
        return prefix, _array(inner)
    if name in ("Tuple", "Map", "Nested"):
        parts = [_column(_unnamed(argument)) for argument in arguments]
        walk = _tuple([part for _, part in parts])
        return sum(prefix for prefix, _ in parts), walk if name == "Tuple" else _array(walk)
    raise ClickHouseError(
        48, f"{name} cannot be sent in this protocol: cast it to String", "NOT_IMPLEMENTED"
    )


def _fixed(width: int) -> Walk:
    return lambda _data, at, rows: at + width * rows


def _strings(data: bytes, at: int, rows: int) -> int:
    for _ in range(rows):
        length = data[at]
        if length < 0x80:  # noqa: PLR2004 - one byte of a varint
            at += 1 + length
        else:
            length, at = _varint(data, at)
            at += length
    return at


def _array(inner: Walk) -> Walk:
    def walk(data: bytes, at: int, rows: int) -> int:
        if not rows:
            return at
        at += 8 * rows
        return inner(data, at, int.from_bytes(data[at - 8 : at], "little"))

    return walk


def _tuple(parts: list[Walk]) -> Walk:
    def walk(data: bytes, at: int, rows: int) -> int:
        for part in parts:
            at = part(data, at, rows)
        return at

    return walk


def _low_cardinality(kind: str) -> Walk:
    name, arguments = _parse(kind)
    _, keys = _column(arguments[0] if name == "Nullable" else kind)

    def walk(data: bytes, at: int, rows: int) -> int:
        if not rows:
            return at
        width = 1 << data[at]
        count = int.from_bytes(data[at + 8 : at + 16], "little")
        at = keys(data, at + 16, count)
        return at + 8 + width * rows

    return walk


def _parse(kind: str) -> tuple[str, list[str]]:
    """Cut ``Name(a, b)`` into its name and arguments."""
    name, bracket, rest = kind.partition("(")
    if not bracket:
        return kind, []
    found, depth, quote, start = [], 0, "", 0
    inner = rest[:-1]
    at = 0
    while at < len(inner):
        char = inner[at]
        if quote:
            at += char == "\\"
            quote = "" if char == quote else quote
        elif char in "'`":
            quote = char
        elif char == "," and not depth:
            found.append(inner[start:at].strip())
            start = at + 1
        depth += 0 if quote else (char == "(") - (char == ")")
        at += 1
    return name, [*found, inner[start:].strip()]


def _unnamed(element: str) -> str:
    """Drop the name of a tuple's element."""
    if element.startswith("`"):
        end = 1
        while element[end] != "`":
            end += 2 if element[end] == "\\" else 1
        return element[end + 1 :].strip()
    head, blank, rest = element.partition(" ")
    return rest if blank and "(" not in head else element


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = data[at]
        at += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a varint
            return found, at
        shift += 7


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _varint(data, at)
    return data[at : at + length], at + length
