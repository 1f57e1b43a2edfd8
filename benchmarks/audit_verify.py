"""Records of an audit trail that the verifier gets through in a second, on one core.

    python benchmarks/audit_verify.py [--leaves 500000] [--json FILE]

A vault of one log is written by the vault's own code, with leaves out of recorded events; the
verifier then runs as a process of its own, as an auditor would run it: Python without site
packages and one file. Three times; the file system's cache is warm. The bundle is of every
hundredth leaf.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from realistic import mix

from headrace.events.identity import Identity
from headrace.sinks.audit import leaf
from headrace.sinks.audit.bundle import Chosen, write_bundle
from headrace.sinks.audit.leaf import Position, Pseudonyms
from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.merkle import Frontier, leaf_hash
from headrace.sinks.audit.tree.note import Note, NoteKey
from headrace.sinks.audit.vault import segment
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.seal import AuditPosition, Seal
from headrace.sinks.audit.vault.segment import SealedLeaf
from headrace.sinks.audit.vault.vault import Vault
from headrace.sinks.audit.verify import offline

LOG: Final = "0123456789abcdef-0"
CLASSES: Final = {"access": 365, "approval": 2555, "data": 2555}
SEGMENT: Final = 4096
ROUNDS: Final = 3
EPOCH: Final = "0123456789abcdef"


class Signing:
    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.key = NoteKey("bench", self._private.public_key().public_bytes_raw())

    def sign(self, text: str) -> Note:
        name, key_id = self.key.name, self.key.key_id
        return note.sign(text, name=name, key_id=key_id, sign=self._private.sign)


def members(count: int, frontier: Frontier, head: list[str]) -> Iterator[SealedLeaf]:
    """Make leaves that follow one another; ``head`` has the hash of the last one."""
    names = list(CLASSES)
    for index, (session, event) in enumerate(mix(count)):
        name = names[index % len(names)]
        made = leaf.event_leaf(
            Position(LOG, index, head[0], index),
            ts=1_700_000_000 + index / 10,
            policy=EPOCH,
            audit_class=name,
            identity=Identity("bench", session, EPOCH, index),
            who=Pseudonyms("ab" * 16, f"{hash(session) & 0xFFFF:032x}"),
            type=event.type,
            tool=event.data.get("tool"),
            key_id=f"{'ab' * 16}.{name}.1",
            key=bytes(32),
            value=orjson.dumps(event.data, default=str),
        )
        digest = leaf_hash(made)
        frontier.append(digest)
        head[0] = digest.hex()
        yield SealedLeaf(made, digest, name, CLASSES[name])


def write_vault(root: Path, count: int, signing: Signing) -> Iterator[bytes]:
    """Write it; yield every leaf."""
    place, frontier, head = DirectoryPlace(root), Frontier(), ["0" * 64]
    made = members(count, frontier, head)
    while True:
        first, previous = frontier.size, head[0]
        leaves = list(islice(made, SEGMENT))
        if not leaves:
            break
        files = segment.make(LOG, first, leaves, time.time())
        segment.write(place, files)
        seal = Seal(
            v=1,
            log=LOG,
            first=first,
            end=frontier.size,
            classes=files.classes,
            hashes=files.hashes,
            previous=previous,
            head=head[0],
            peaks=tuple(one.hex() for one in frontier.peaks),
            source_offset=frontier.size,
            audit=AuditPosition("bench", 0, frontier.size, "w"),
            policy=None,
            sealed_at=time.time(),
            checkpoint="",
        )
        segment.commit(place, seal.signed(signing.sign(seal.checkpoint_text())))
        yield from (one.leaf for one in leaves)


def verified(program: Path, path: Path, key: Path) -> tuple[float, float, int]:
    """Verify on one core; return seconds of wall and of processor, and records."""
    command = [sys.executable, "-I", "-S", str(program), str(path), "--key", str(key), "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    ran = subprocess.run(
        command,
        capture_output=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used, json.loads(ran.stdout)["leaves"]


def measure(home: Path, count: int) -> dict[str, Any]:
    signing, vault, bundle = Signing(), home / "vault", home / "bundle"
    key = home / "key.pub"
    key.write_text(signing.key.line() + "\n")
    program = Path(shutil.copyfile(str(offline.__file__), home / "verify.py"))
    chosen = [
        Chosen(LOG, index, one, None, "bench")
        for index, one in enumerate(write_vault(vault, count, signing))
        if index % 100 == 0
    ]
    began = time.perf_counter()
    write_bundle(
        Vault(DirectoryPlace(vault)),
        chosen,
        bundle,
        selection={},
        sign=signing.sign,
        keys=[signing.key],
        now=time.time(),
    )
    exported = time.perf_counter() - began
    rounds = [verified(program, vault, key) for _ in range(ROUNDS)]
    size = sum(one.stat().st_size for one in vault.rglob("*") if one.is_file())
    of_bundle = [verified(program, bundle, key) for _ in range(ROUNDS)]
    return {
        "leaves": rounds[0][2],
        "bytes": size,
        "checkpoints": -(-count // SEGMENT),
        "seconds": statistics.median(one[0] for one in rounds),
        "per_second": statistics.median(one[2] / one[0] for one in rounds),
        "per_core_second": statistics.median(one[2] / one[1] for one in rounds),
        "bundle_leaves": of_bundle[0][2],
        "bundle_seconds": statistics.median(one[0] for one in of_bundle),
        "bundle_written_seconds": exported,
        "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=500_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        found = measure(Path(home), given.leaves)
    for name, value in found.items():
        print(f"{name:>24} {value:,.1f}" if isinstance(value, float) else f"{name:>24} {value:,}")
    if given.json:
        given.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
