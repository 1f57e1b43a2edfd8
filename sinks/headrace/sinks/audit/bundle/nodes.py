"""The inner nodes of a log's tree in files, so that many inclusion proofs cost one pass."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from headrace.sinks.audit.tree.merkle import node_hash

_HASH: Final = 32
_CHUNK: Final = 1 << 20


class Nodes:
    """The roots of the perfect subtrees, a file for each height, lowest first. One thread."""

    def __init__(self, size: int, levels: list[int]) -> None:
        self.size = size
        """How many leaves."""
        self._levels = levels
        """File descriptors."""

    def leaf(self, index: int) -> bytes:
        """Return the hash of a leaf, which there is."""
        return self._root(index, index + 1)

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Prove leaf ``index``, which there is, in the tree of all leaves (RFC 6962, 2.1.1)."""
        return list(self._path(index, 0, self.size))

    def _path(self, index: int, first: int, end: int) -> Iterator[bytes]:
        if end - first == 1:
            return
        middle = first + (1 << (end - first - 1).bit_length() - 1)
        if index < middle:
            yield from self._path(index, first, middle)
            yield self._root(middle, end)
        else:
            yield from self._path(index, middle, end)
            yield self._root(first, middle)

    def _root(self, first: int, end: int) -> bytes:
        height = (end - first).bit_length() - 1
        if end - first == 1 << height:
            return os.pread(self._levels[height], _HASH, _HASH * (first >> height))
        middle = first + (1 << height)
        return node_hash(self._root(first, middle), self._root(middle, end))


@contextmanager
def nodes_of(hashes: Path, scratch: Path) -> Iterator[Nodes]:
    """Make the nodes over a file of leaf hashes, in a directory that is empty. Takes its size."""
    size = hashes.stat().st_size // _HASH
    levels = [os.open(hashes, os.O_RDONLY)]
    try:
        while size >> len(levels):
            above = scratch / str(len(levels))
            _write_level(levels[-1], above)
            levels.append(os.open(above, os.O_RDONLY))
            above.unlink()
        yield Nodes(size, levels)
    finally:
        for fd in levels:
            os.close(fd)


def _write_level(below: int, above: Path) -> None:
    """Write the parents of whole pairs."""
    at = 0
    with above.open("wb") as file:
        while chunk := os.pread(below, _CHUNK, at):
            at += len(chunk)
            pairs = range(0, len(chunk) - _HASH, 2 * _HASH)
            file.write(
                b"".join(
                    node_hash(chunk[one : one + _HASH], chunk[one + _HASH : one + 2 * _HASH])
                    for one in pairs
                )
            )
