"""Which records of a partition of agent.audit are entries: what every reader makes of it.

Two workers may write at the same time: one that was away too long goes on before it hears that
another has its partition. What a log says in its order, all agree on: whoever begins to write
claims the partition by a record there, and what comes under another claim than the last is void.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from headrace.events.errors import HeadraceError
from headrace.sinks.audit.leaf import Leaf, LeafError, read
from headrace.sinks.audit.tree.merkle import leaf_hash

CLAIM: Final = b"claim/"
"""Keys of claims begin with this; the claim's id follows, and there is no value."""
WRITER: Final = "writer"
"""The header of an entry that names the claim under which it was written."""
NO_HASH: Final = "0" * 64
"""What an entry at index 0 has for the hash of the one before."""
KEPT_HASHES: Final = 4096
"""Of each log's newest entries. A repeat of an older one is passed over, not compared."""


class ForkError(HeadraceError):
    """A log does not continue what it was: lost in part, written by two, or tampered with."""

    def __init__(self, log: str, index: int, offset: int, what: str) -> None:
        super().__init__(f"log {log} forks at index {index} (agent.audit, offset {offset}): {what}")
        self.log = log
        self.index = index
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted entry."""

    leaf: bytes
    """As it was written."""
    hash: bytes
    head: Leaf
    at: int
    """The offset in agent.audit."""


class Chain:
    """One log, as far as it was read."""

    __slots__ = ("_hashes", "head", "next")

    def __init__(self, following: int = 0, head: str = NO_HASH) -> None:
        self.next = following
        """The index of the next entry."""
        self.head = head
        """The hash of the last one, in hex."""
        self._hashes: deque[bytes] = deque(maxlen=KEPT_HASHES)

    def append(self, digest: bytes) -> None:
        self._hashes.append(digest)
        self.next += 1
        self.head = digest.hex()

    def hash_at(self, index: int) -> bytes | None:
        """Return the hash of an entry, None where it is not kept."""
        place = index - self.next + len(self._hashes)
        return self._hashes[place] if 0 <= place < len(self._hashes) else None


class Fold:
    """Reads one partition of agent.audit. Not shared between tasks."""

    def __init__(self) -> None:
        self.offset = 0
        """The next one to be read."""
        self.writer: bytes | None = None
        """The claim that holds."""
        self.repeats = 0
        self.void = 0
        """Records under a claim that was overtaken, or under none."""
        self._chains: dict[str, Chain] = {}

    def chain(self, log: str) -> Chain:
        """Return a log of this partition: its source topic may have been made anew since."""
        return self._chains.setdefault(log, Chain())

    def take(self, record: Any) -> Entry | None:
        """Read a record: each one, in order; again what was read before, which is passed over.

        Returns the entry where it is one and is new. Raises :class:`ForkError`.
        """
        if record.offset < self.offset:
            return None
        entry = self._judge(record)
        self.offset = record.offset + 1
        return entry

    def _judge(self, record: Any) -> Entry | None:
        key, value = record.key or b"", record.value
        if value is None and key.startswith(CLAIM):
            self.writer = key[len(CLAIM) :]
            return None
        if value is None or self.writer is None or _writer_of(record) != self.writer:
            self.void += 1
            return None
        try:
            head = read(value)
        except LeafError:
            raise ForkError("?", -1, record.offset, "what was written is no entry") from None
        return self._append(Entry(value, leaf_hash(value), head, record.offset))

    def _append(self, entry: Entry) -> Entry | None:
        head, chain = entry.head, self.chain(entry.head.log)
        if head.index > chain.next:
            raise _fork(entry, f"the entry at index {chain.next} is missing")
        if head.index < chain.next:
            if chain.hash_at(head.index) not in {None, entry.hash}:
                raise _fork(entry, "another entry is there")
            self.repeats += 1
            return None
        if head.prev != chain.head:
            raise _fork(entry, "it does not follow the entry before it")
        chain.append(entry.hash)
        return entry

    def as_data(self) -> dict[str, Any]:
        """Return what is needed to read on, plain. The kept hashes are not in it."""
        return {
            "offset": self.offset,
            "writer": self.writer.decode("latin-1") if self.writer is not None else None,
            "repeats": self.repeats,
            "void": self.void,
            "logs": {log: [chain.next, chain.head] for log, chain in self._chains.items()},
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Fold:
        """Make the fold of :meth:`as_data` again."""
        fold = cls()
        fold.offset = data["offset"]
        fold.writer = data["writer"].encode("latin-1") if data["writer"] is not None else None
        fold.repeats, fold.void = data["repeats"], data["void"]
        fold._chains = {log: Chain(*where) for log, where in data["logs"].items()}
        return fold


def _writer_of(record: Any) -> bytes | None:
    for name, value in record.headers:
        if name == WRITER:
            found: bytes | None = value
            return found
    return None


def _fork(entry: Entry, what: str) -> ForkError:
    return ForkError(entry.head.log, entry.head.index, entry.at, what)
