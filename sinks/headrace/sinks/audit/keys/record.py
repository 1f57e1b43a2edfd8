"""What a store keeps of a key: the key, wrapped, or the tombstone of one that was shredded.

::

    {"v":1,"id":"<key id>","master":"<master key id>","wrapped":"<base64>"}
    {"v":1,"id":"<key id>","shredded":1704067200.5}

A tombstone may have blanks behind it (see :mod:`headrace.sinks.audit.keys.directory`).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

import orjson

from headrace.sinks.audit.keys.errors import MissingKeyError

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key that only its master key opens."""

    id: str
    master: str
    """The master key's id."""
    wrapped: bytes

    def encode(self) -> bytes:
        return orjson.dumps(
            {
                "v": _VERSION,
                "id": self.id,
                "master": self.master,
                "wrapped": base64.b64encode(self.wrapped).decode(),
            }
        )


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What stays of a key that was shredded."""

    id: str
    shredded: float
    """When, in seconds since 1970."""

    def encode(self) -> bytes:
        return orjson.dumps({"v": _VERSION, "id": self.id, "shredded": self.shredded})


Record = Wrapped | Tombstone


def decode(key_id: str, content: bytes) -> Record:
    """Read what a store keeps of a key. Raises :class:`MissingKeyError` where it is damaged."""
    try:
        return _record(key_id, orjson.loads(content))
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise MissingKeyError(
            f"the key {key_id} is damaged in its store: restore it from a backup"
        ) from None


def _record(key_id: str, fields: Any) -> Record:
    if fields["v"] != _VERSION or fields["id"] != key_id:
        raise ValueError("another key's")
    if "shredded" in fields:
        return Tombstone(key_id, float(fields["shredded"]))
    return Wrapped(
        key_id, str(fields["master"]), base64.b64decode(fields["wrapped"], validate=True)
    )
