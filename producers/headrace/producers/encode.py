"""Turning an event's ``data`` into JSON bytes, whatever it holds.

The fast way is one call of orjson. What orjson refuses (cycles, depth, surrogates, foreign types,
huge integers) goes through :func:`plain`, which copies the value into plain JSON types within
fixed bounds. Nothing here raises for any input, and nothing here waits.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

MAX_DEPTH: Final = 64
"""Levels that the slow way copies; orjson itself gives up at 254."""
MAX_NODES: Final = 50_000
"""Values that the slow way copies of one event."""
MAX_TEXT: Final = 4_096
"""Characters kept of the text of an object that has no JSON form."""
NOTE: Final = "_headrace"
"""The key in ``data`` under which headrace says what it did to it."""

_OPTIONS: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z


def encode(data: Any) -> tuple[bytes, bool]:
    """Encode ``data`` as one JSON object: ``(bytes, whether it is exactly what was given)``."""
    if isinstance(data, dict):
        try:
            return orjson.dumps(data, foreign), True
        except Exception:
            return _encode_plain(data)
    return _encode_plain({} if data is None else data)


def _encode_plain(data: Any) -> tuple[bytes, bool]:
    try:
        value = plain(data)
        if not isinstance(value, dict):
            value = {"value": value}
        return orjson.dumps(value, option=_OPTIONS), False
    except Exception as error:
        return orjson.dumps({NOTE: {"unencodable": type(error).__name__}}), False


def foreign(value: Any) -> Any:
    """Give orjson a JSON form of a value of a type that it does not know."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _text_of_bytes(bytes(value))
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        return tolist()
    return _bounded_text(value)


def plain(value: Any) -> Any:
    """Copy a value into plain JSON types: at most MAX_DEPTH levels and MAX_NODES values."""
    return _Copier().copy(value, 0)


class _Copier:
    """Copies one value, remembering what lies on the way down, to see cycles."""

    def __init__(self) -> None:
        self._path: set[int] = set()
        self._nodes = 0

    def copy(self, value: Any, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            return "<more values than are kept>"
        if value is None or isinstance(value, (bool, float)):
            return value
        if isinstance(value, str):
            return text_of(value)
        if isinstance(value, int):
            # Hexadecimal, since Python refuses decimal text of thousands of digits.
            return int(value) if -(2**63) <= value < 2**64 else hex(value)[:MAX_TEXT]
        if depth >= MAX_DEPTH:
            return "<deeper than is kept>"
        if id(value) in self._path:
            return "<cycle>"
        self._path.add(id(value))
        try:
            return self._container(value, depth + 1)
        except Exception as error:
            return f"<{type(value).__name__}: {type(error).__name__}>"
        finally:
            self._path.discard(id(value))

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            # list(): the runtime may change its dict while it is read here.
            return {self._key(k): self.copy(v, depth) for k, v in self._some(list(value.items()))}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.copy(v, depth) for v in self._some(list(value))]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            return {name: self.copy(getattr(value, name, None), depth) for name in names}
        if isinstance(value, (bytes, bytearray, memoryview)):
            return _text_of_bytes(bytes(value))
        try:
            return orjson.loads(orjson.dumps(value, foreign, _OPTIONS))
        except Exception:
            return self.copy(foreign(value), depth)

    def _some(self, values: list[Any]) -> Iterable[Any]:
        return values[: max(0, MAX_NODES - self._nodes)]

    def _key(self, key: Any) -> str:
        return text_of(key) if isinstance(key, str) else _bounded_text(key)


def cut(body: bytes, limit: int) -> bytes:
    """Make an encoded object small enough, keeping what fits of its values.

    The result says how long the whole was and gives its SHA-256, so that it can be proved later.
    """
    note = {"cut": {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}}
    value = orjson.loads(body)
    keep = max(limit // 8, 64)
    while keep >= 16:  # noqa: PLR2004 - shorter pieces say nothing
        smaller = _shorten(value, keep)
        smaller[NOTE] = note
        shorter = orjson.dumps(smaller)
        if len(shorter) <= limit:
            return shorter
        keep //= 4
    return orjson.dumps({NOTE: note})


def _shorten(value: Any, keep: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= keep else value[:keep] + "…"
    if isinstance(value, list):
        return [_shorten(item, keep) for item in value[: max(keep // 16, 4)]]
    if isinstance(value, dict):
        some = list(value.items())[: max(keep // 4, 16)]
        return {_shorten(key, keep): _shorten(item, keep) for key, item in some}
    return value


def text_of(text: Any) -> str:
    """Return text that UTF-8 can hold; a lone surrogate becomes U+FFFD."""
    clean = str(text)
    try:
        clean.encode()
    except UnicodeEncodeError:
        return clean.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return clean


def _text_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


def _bounded_text(value: Any) -> str:
    try:
        return text_of(str(value)[:MAX_TEXT])
    except Exception as error:
        return f"<{type(value).__name__}: {type(error).__name__}>"
