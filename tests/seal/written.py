"""Logs of a vault, written without a sealer: for who reads vaults."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.sinks.audit.tree.merkle import Frontier, leaf_hash
from headrace.sinks.audit.vault import segment
from headrace.sinks.audit.vault.place import Place
from headrace.sinks.audit.vault.seal import AuditPosition, PolicyDays, Seal
from headrace.sinks.audit.vault.segment import SealedLeaf
from headrace.streams.audit.fold import NO_HASH
from tests.audit.log import LOG, leaf
from tests.seal.signing import Signing

SEALED_AT = 1_800_000_000.0
DAYS = {"approval": 90, "access": 365, "policy": None}


def written(
    place: Place,
    signing: Signing,
    sizes: Sequence[int],
    *,
    log: str = LOG,
    classes: Sequence[str] = ("approval", "access"),
) -> list[bytes]:
    """Write segments of these sizes; return all leaves. Classes take turns."""
    frontier, head, leaves = Frontier(), NO_HASH, list[bytes]()
    for size in sizes:
        previous, members = head, list[SealedLeaf]()
        for index in range(frontier.size, frontier.size + size):
            name = classes[index % len(classes)]
            line = leaf(index, head, log=log).replace(b'"approval"', f'"{name}"'.encode())
            members.append(SealedLeaf(line, digest := leaf_hash(line), name, DAYS[name]))
            head = digest.hex()
            frontier.append(digest)
        made = segment.make(log, frontier.size - size, members, SEALED_AT)
        segment.write(place, made)
        leaves += [one.leaf for one in members]
        seal = Seal(
            v=1,
            log=log,
            first=frontier.size - size,
            end=frontier.size,
            classes=made.classes,
            hashes=made.hashes,
            previous=previous,
            head=head,
            peaks=tuple(one.hex() for one in frontier.peaks),
            source_offset=frontier.size,
            audit=AuditPosition("cluster/topic", 3, frontier.size + 1, "w"),
            policy=PolicyDays("0123456789abcdef", DAYS),
            sealed_at=SEALED_AT,
            checkpoint="",
        )
        segment.commit(place, seal.signed(signing.sign(seal.checkpoint_text())))
    return leaves
