"""A partition of agent.audit in memory, and the entries that are written to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.streams.audit.fold import CLAIM, NO_HASH, WRITER, Entry, Fold

LOG = "0123456789abcdef-3"


@dataclass
class Record:
    """What the transport hands out of aiokafka's records."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int = 1_764_000_000_000


def leaf(index: int, prev: str, mark: str = "", *, log: str = LOG) -> bytes:
    """Make a leaf that readers accept; ``mark`` makes it another one than its like."""
    head = {"v": 1, "log": log, "index": index, "prev": prev, "offset": index, "kind": "event"}
    return orjson.dumps(head | {"class": "approval", "ts": 1.5, "policy": "p", "com": mark})


def leaves(count: int, *, first: int = 0, prev: str = NO_HASH, mark: str = "") -> list[bytes]:
    """Make leaves that follow one another."""
    made: list[bytes] = []
    for index in range(first, first + count):
        made.append(leaf(index, prev, mark))
        prev = leaf_hash(made[-1]).hex()
    return made


@dataclass
class AuditLog:
    """Takes records in some order, as a broker does."""

    records: list[Record] = field(default_factory=list)

    def claim(self, writer: bytes) -> None:
        self.records.append(Record(len(self.records), CLAIM + writer, None))

    def write(self, writer: bytes | None, values: Iterable[bytes]) -> None:
        headers = [(WRITER, writer)] if writer is not None else []
        for value in values:
            self.records.append(Record(len(self.records), b"0", value, headers))


def accepted(records: Iterable[Any], fold: Fold | None = None) -> list[Entry]:
    """Return what a reader accepts."""
    fold = fold or Fold()
    return [entry for record in records if (entry := fold.take(record)) is not None]
