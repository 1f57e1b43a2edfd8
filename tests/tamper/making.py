"""Vaults with real leaves, written by the vault's own code, to be tampered with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from headrace.events.identity import Identity
from headrace.sinks.audit import leaf
from headrace.sinks.audit.leaf import Position, Pseudonyms
from headrace.sinks.audit.tree.merkle import Frontier, leaf_hash
from headrace.sinks.audit.vault import segment
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.place import Place
from headrace.sinks.audit.vault.seal import AuditPosition, PolicyDays, Seal
from headrace.sinks.audit.vault.segment import SealedLeaf
from headrace.sinks.audit.vault.vault import Vault
from headrace.streams.audit.fold import NO_HASH
from tests.seal.signing import Signing

LOG: Final = "0123456789abcdef-3"
OTHER: Final = "0123456789abcdef-4"
SEALED_AT: Final = 1_800_000_000.0
DAY: Final = 86_400.0
DAYS: Final = {"approval": 90, "access": 365, "policy": None}
CLASSES: Final = ("access", "approval")
KEY: Final = bytes(range(32))


class Writer:
    """Writes one log of a vault, a segment at a time, signed by whom it is told."""

    def __init__(self, place: Place, log: str = LOG, *, mark: str = "") -> None:
        self.place = place
        self.log = log
        self.mark = mark
        """Makes the records others than those of another mark."""
        self.frontier = Frontier()
        self.head = NO_HASH
        self.leaves: list[bytes] = []

    def line(self, index: int) -> tuple[bytes, str]:
        """Make a leaf and its class: the policy's first, then both classes by turns."""
        at = Position(self.log, index, self.head, 10 + index)
        if index == 0:
            text = '[class.approval]\nfor = "90 d"\n'
            return leaf.policy_leaf(at, ts=1.5, policy="0123456789abcdef", text=text), "policy"
        name = CLASSES[index % 2]
        made = leaf.event_leaf(
            at,
            ts=1_700_000_000.25 + index,
            policy="0123456789abcdef",
            audit_class=name,
            identity=Identity("acme", f"s-{index % 3}", "0123456789abcdef", index),
            who=Pseudonyms("ab" * 16, f"{index % 3:032x}"),
            type="confirmation_resolved",
            tool=f"tool{self.mark}",
            key_id=f"{'ab' * 16}.{name}.1",
            key=KEY,
            value=b'{"index":%d}' % index,
        )
        return made, name

    def segment(self, size: int, signing: Signing) -> Seal:
        """Write and seal ``size`` more leaves."""
        first, previous, members = self.frontier.size, self.head, list[SealedLeaf]()
        for index in range(first, first + size):
            line, name = self.line(index)
            members.append(SealedLeaf(line, digest := leaf_hash(line), name, DAYS[name]))
            self.head = digest.hex()
            self.frontier.append(digest)
        self.leaves += [one.leaf for one in members]
        made = segment.make(self.log, first, members, SEALED_AT)
        segment.write(self.place, made)
        seal = Seal(
            v=1,
            log=self.log,
            first=first,
            end=self.frontier.size,
            classes=made.classes,
            hashes=made.hashes,
            previous=previous,
            head=self.head,
            peaks=tuple(one.hex() for one in self.frontier.peaks),
            source_offset=10 + self.frontier.size,
            audit=AuditPosition("cluster/topic", 3, self.frontier.size + 1, "w"),
            policy=PolicyDays("0123456789abcdef", DAYS),
            sealed_at=SEALED_AT,
            checkpoint="",
        )
        seal = seal.signed(signing.sign(seal.checkpoint_text()))
        segment.commit(self.place, seal)
        return seal


def vault_at(
    root: Path,
    signing: Signing,
    sizes: Sequence[int] = (10, 7, 16),
    *,
    logs: Sequence[str] = (LOG, OTHER),
    mark: str = "",
) -> list[Writer]:
    """Write a vault with its public key; return the writers of its logs."""
    place = DirectoryPlace(root)
    writers = [Writer(place, log, mark=mark) for log in logs]
    for writer in writers:
        for size in sizes:
            writer.segment(size, signing)
    for key in signing.public:
        Vault(place).keep_key(key)
    return writers
