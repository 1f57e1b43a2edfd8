"""What sealing costs: entries a second, and opening a log of a million entries.

    python benchmarks/audit_seal.py [--entries 1000000]

One partition on one core, without Kafka: records of about a kilobyte are read through the fold, cut
into segments of 4,096, signed (Ed25519) and written to a directory with fsync. Opening is what a
worker does when it gets the partition.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from headrace.events.identity import Identity
from headrace.sinks.audit.keys import signing
from headrace.sinks.audit.leaf import Position, Pseudonyms, event_leaf
from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.sinks.audit.vault import marker
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.vault import Vault
from headrace.streams.audit.fold import CLAIM, NO_HASH, WRITER
from headrace.streams.seal.commit import Signing, commit
from headrace.streams.seal.partition import Limits, Partition

LOG = "0123456789abcdef-0"
CHUNK = 50_000


@dataclass(slots=True)
class Record:
    offset: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def records(count: int) -> Iterator[list[Record]]:
    """Make a partition of agent.audit, some at a time: the claim and then the entries."""
    head, made = NO_HASH, [Record(0, CLAIM + b"w", None)]
    for index in range(count):
        leaf = event_leaf(
            Position(LOG, index, head, index),
            ts=1_764_000_000.25 + index,
            policy="0123456789abcdef",
            audit_class="approval" if index % 3 else "access",
            identity=Identity("acme", "s-1", "0123456789abcdef", index),
            who=Pseudonyms("ab" * 16, "cd" * 16),
            type="tool_complete",
            tool="bash",
            key_id="ab" * 16 + ".approval.1",
            key=bytes(32),
            value=b"x" * 410,
        )
        head = leaf_hash(leaf).hex()
        made.append(Record(index + 1, b"s", leaf, ((WRITER, b"w"),)))
        if len(made) >= CHUNK:
            yield made
            made = []
    yield made


def seal(vault: Vault, keys: Signing, partition: Partition) -> None:
    while partition.waiting:
        draft = partition.draft(time.time())
        partition.sealed(commit(vault, keys, draft, partition.last), 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    count = parser.parse_args().entries
    with tempfile.TemporaryDirectory() as directory:
        signing.initialise(Path(directory) / "keys", "bench.example/headrace")
        keys = signing.load(Path(directory) / "keys")
        vault = Vault(DirectoryPlace(Path(directory) / "vault"))
        marker.make(vault.place)
        partition = Partition.open(vault, keys.public, "bench", 0, Limits())
        wall = cpu = 0.0
        size = 0
        for some in records(count):
            size += sum(len(one.value or b"") for one in some)
            begun = time.perf_counter(), time.process_time()
            for record in some:
                if partition.take(record, 0.0):
                    seal(vault, keys, partition)
            wall += time.perf_counter() - begun[0]
            cpu += time.process_time() - begun[1]
        seal(vault, keys, partition)
        print(f"{count:,} entries of {size / count:,.0f} bytes in {Limits().leaves:,} a segment")
        print(f"sealed: {count / wall:,.0f} a second ({count / cpu:,.0f} a second of CPU)")
        times = []
        for _ in range(5):
            begun_at = time.perf_counter()
            opened = Partition.open(vault, keys.public, "bench", 0, Limits())
            times.append(time.perf_counter() - begun_at)
            assert opened.offset == count + 1
        print(f"opened: {statistics.median(times) * 1000:.1f} ms (median of {len(times)})")


if __name__ == "__main__":
    main()
