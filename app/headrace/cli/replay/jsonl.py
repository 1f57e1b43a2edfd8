"""A session as lines of the seed's format: a superset of it, which can be archived again."""

from __future__ import annotations

import re
from typing import Final

import orjson

from headrace.cli.replay.read import Place, Row
from headrace.cli.text import safe_text

_BREAKS: Final = str.maketrans("\r\n", "  ")
_HOSTILE: Final = re.compile(r"[^\x20-\x7e]")


def line_of(place: Place, row: Row) -> str:
    """Return an event as one line, in the order in which our producer writes the keys.

    ``data`` is the archived text, byte for byte; only a line break between two of its tokens, as
    other producers may have sent it, becomes a blank.
    """
    head: dict[str, object] = {
        "v": row.v,
        "tenant": place.tenant,
        "session": place.session,
        "user": row.user or None,
        "agent": row.agent or None,
        "trace": row.trace or None,
        "epoch": row.epoch,
        "seq": row.seq,
        "duration_ms": row.duration_ms,
        "turn": row.turn,
        "ts": row.ts,
        "type": row.type,
    }
    known = orjson.dumps({key: value for key, value in head.items() if value is not None})
    return f'{known[:-1].decode()},"data":{row.data.translate(_BREAKS)}}}'


def for_terminal(line: str) -> str:
    """Return the same JSON with everything that could drive a terminal as an escape of JSON's."""
    return _HOSTILE.sub(lambda match: _escaped(match.group()), line)


def _escaped(character: str) -> str:
    if character == safe_text(character):
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
