"""A JSON text as its tokens: joined they are the text again, byte for byte.

Nothing is decoded that need not be, so that numbers beyond any type, keys given twice and the order
of keys stay as they were written.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    rb'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*)*"'
    rb"|[{}\[\],:]"
    rb"|[ \t\r\n]+"
    rb"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
    rb"|true|false|null"
)

QUOTE: Final = ord('"')
BLANK: Final = ord(" ")
"""The highest byte that a token of white space begins with."""
OBJECT: Final = ord("{")
ARRAY: Final = ord("[")
_TO_CLOSE: Final = 2
"""From an opening bracket of either kind to its closing one, in ASCII."""
CLOSES: Final = frozenset(b"}]")
COLON: Final = ord(":")
COMMA: Final = ord(",")
_OPENS: Final = frozenset({OBJECT, ARRAY})
_PUNCTUATION: Final = frozenset({COLON, COMMA})

# What may come next.
_VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, _A_COLON, _NEXT, _NOTHING = range(7)
_FOR_KEY: Final = frozenset({_KEY, _KEY_OR_END})
_FOR_VALUE: Final = frozenset({_VALUE, _VALUE_OR_END})
_FOR_CLOSE: Final = {ord("}"): (_NEXT, _KEY_OR_END), ord("]"): (_NEXT, _VALUE_OR_END)}

_NO_OBJECT: Final = "not one JSON object"


class UnreadableError(Exception):
    """The bytes are not one JSON object. The message never quotes them."""


class Member(NamedTuple):
    """One member of the outermost object, by the indexes of its tokens."""

    key: int
    first: int
    last: int
    """Of the value; the same as ``first`` where that is a scalar."""


def split(value: bytes) -> list[bytes]:
    """Cut a text into tokens, white space among them. Raises :class:`UnreadableError`."""
    tokens = _TOKEN.findall(value)
    if sum(map(len, tokens)) != len(value):
        raise UnreadableError("not JSON")
    try:
        value.decode()
    except UnicodeDecodeError:
        raise UnreadableError("not UTF-8") from None
    return tokens


def members(tokens: list[bytes]) -> list[Member]:
    """Return the members of the object. Raises :class:`UnreadableError` where it is none."""
    found: list[Member] = []
    open_: list[int] = []
    want, key, first = _VALUE, -1, -1
    for at, token in enumerate(tokens):
        byte = token[0]
        if byte == QUOTE and want in _FOR_KEY:
            want = _A_COLON
            if len(open_) == 1:
                key = at
        elif byte == COLON and want == _A_COLON:
            want = _VALUE
        elif byte == COMMA and want == _NEXT:
            want = _KEY if open_[-1] == OBJECT else _VALUE
        elif byte > BLANK:
            if byte in CLOSES:
                if want not in _FOR_CLOSE[byte] or open_.pop() + _TO_CLOSE != byte:
                    raise UnreadableError(_NO_OBJECT)
            elif byte in _PUNCTUATION or want not in _FOR_VALUE or not (open_ or byte == OBJECT):
                raise UnreadableError(_NO_OBJECT)
            else:
                if len(open_) == 1:
                    first = at
                if byte in _OPENS:
                    open_.append(byte)
                    want = _KEY_OR_END if byte == OBJECT else _VALUE_OR_END
                    continue
            if len(open_) == 1:
                found.append(Member(key, first, at))
            want = _NEXT if open_ else _NOTHING
    if want != _NOTHING:
        raise UnreadableError(_NO_OBJECT)
    return found


def end_of(tokens: list[bytes], first: int) -> int:
    """Return the index of the last token of the value that begins with ``first``."""
    depth = 0
    for at in range(first, len(tokens)):
        byte = tokens[at][0]
        depth += (byte in _OPENS) - (byte in CLOSES)
        if depth == 0:
            return at
    raise UnreadableError(_NO_OBJECT)


def text_of(token: bytes) -> bytes:
    """Return what a scalar says, in UTF-8; half of a surrogate pair becomes U+FFFD."""
    if token[0] != QUOTE:
        return token
    if b"\\" not in token:
        return token[1:-1]
    said: str = json.loads(token)
    try:
        return said.encode()
    except UnicodeEncodeError:
        return said.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
