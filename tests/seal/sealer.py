"""The sealer without a worker: a partition in memory, and a vault whose writes can die."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.merkle import leaf_hash, root_of
from headrace.sinks.audit.vault import marker
from headrace.sinks.audit.vault.place import Place, TakenError
from headrace.sinks.audit.vault.vault import Vault
from headrace.streams.audit.fold import NO_HASH
from headrace.streams.seal import commit
from headrace.streams.seal.partition import Limits, Partition
from tests.audit.log import LOG
from tests.seal.signing import Signing

INCARNATION = "cluster/topic"
NOW = 1_800_000_000.0


class DiedError(Exception):
    """The process is gone, in the middle of a write or right behind it."""


@dataclass
class MortalPlace:
    """A place whose ``create`` dies at its n-th call: before the write, or behind it."""

    place: Place
    dies_at: int = -1
    behind: bool = False
    creates: int = 0

    def create(self, name: str, content: bytes, *, retain_until: float | None = None) -> bool:
        self.creates += 1
        if self.creates == self.dies_at and not self.behind:
            raise DiedError
        made = self.place.create(name, content, retain_until=retain_until)
        if self.creates == self.dies_at:
            raise DiedError
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.place, name)


@dataclass
class Sealer:
    """One life of a sealer, from opening to its death."""

    place: Any
    signing: Signing
    limits: Limits = field(default_factory=lambda: Limits(leaves=4))
    incarnation: str = INCARNATION
    clock: Callable[[], float] = lambda: NOW
    fenced: int = 0

    def __post_init__(self) -> None:
        self.vault = Vault(self.place)
        marker.make(self.place.place if isinstance(self.place, MortalPlace) else self.place)
        self.partition = Partition.open(
            self.vault, self.signing.public, self.incarnation, 3, self.limits
        )

    def read(self, records: Sequence[Any]) -> None:
        """Read what comes from its position on, sealing what is full."""
        for record in records:
            if record.offset >= self.partition.offset and self.partition.take(record, 0.0):
                self.seal()

    def seal(self) -> None:
        """Seal all that waits."""
        while self.partition.waiting:
            log = self.partition.log
            assert log is not None
            draft = self.partition.draft(self.clock())
            try:
                seal = commit.commit(self.vault, self.signing, draft, log.last)
            except TakenError:
                self.fenced += 1
                seals = list(self.vault.seals(log.name, first=log.end))
                found = [(one, self.vault.hashes(one)) for one in seals]
                self.partition.follow(found, self.signing.public, 0.0)
            else:
                self.partition.sealed(seal, 0.0)


def sealed_leaves(vault: Vault, signing: commit.Signing, log: str = LOG) -> Iterator[bytes]:
    """Read a whole log, and check on the way that its seals are one chain of signed trees."""
    end, head, leaves = 0, NO_HASH, list[bytes]()
    for seal in vault.seals(log):
        assert (seal.first, seal.previous) == (end, head)
        leaves += [leaf for _, leaf in vault.leaves(seal)]
        signed = note.parse(seal.checkpoint.encode())
        assert note.verify(signed, signing.public)
        root = root_of(map(leaf_hash, leaves))
        assert Checkpoint.from_text(signed.text) == Checkpoint.of(log, seal.end, root)
        end, head = seal.end, seal.head
        assert len(leaves) == end
        assert leaf_hash(leaves[-1]).hex() == head
        yield from leaves[seal.first :]
