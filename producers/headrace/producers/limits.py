"""How much may be kept, and what goes first when it is too much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headrace.events import types

CHUNK: Final = 0
NORMAL: Final = 1
EVIDENCE: Final = 2

FULL: Final = "full"
AUDIT_OVERFLOW: Final = "audit_overflow"
CLOSED: Final = "closed"
INTERRUPTED: Final = "interrupted"
UNDELIVERED: Final = "undelivered"


def rank_of(event_type: str) -> int:
    """CHUNK for streaming pieces, EVIDENCE for what an audit needs, else NORMAL."""
    if event_type in types.CHUNKS:
        return CHUNK
    return EVIDENCE if event_type in types.AUDIT else NORMAL


@dataclass(frozen=True, slots=True)
class Quota:
    """A bound in bytes, with room at its end that only more important events may use."""

    max_bytes: int

    def limit(self, rank: int) -> int:
        """Bytes up to which an event of this rank is taken: 80 %, 95 % and all of the bound."""
        if rank == CHUNK:
            return self.max_bytes * 80 // 100
        return self.max_bytes * 95 // 100 if rank == NORMAL else self.max_bytes

    def refusal(self, rank: int) -> str:
        """Return the reason under which an event of this rank is dropped when it is full."""
        return AUDIT_OVERFLOW if rank == EVIDENCE else FULL
