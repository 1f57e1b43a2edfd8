"""Records that the receiver has taken lately: one that comes again is not sent again.

A span's record is a function of its events, so what is written twice is the same bytes. This is
memory of one process alone: after a crash the batch in flight is sent again.
"""

from __future__ import annotations

import hashlib
from typing import Final

MOST: Final = 200_000
"""Records remembered: 20 MB."""


def digest_of(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=16).digest()


class Recent:
    """Bounded: the oldest are forgotten first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._digests: dict[bytes, None] = {}

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._digests

    def add(self, digest: bytes) -> None:
        if len(self._digests) >= self._most:
            del self._digests[next(iter(self._digests))]
        self._digests[digest] = None
