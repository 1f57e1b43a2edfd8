"""Merkle trees as RFC 6962 defines them: roots, proofs, and checking proofs as RFC 9162 says.

A hash is 32 bytes of SHA-256. A leaf's hash covers ``0x00 || leaf``, an inner node's
``0x01 || left || right``: a node can never be passed off as a leaf. ``hashes`` are always leaf
hashes in log order; they are read once, from the front, in memory that grows with log2 of their
number, so a log of any length may come from a generator.

The library that does this (pymerkle) is under the GPL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

Range = tuple[int, int]
"""Indices [first, end) of the leaves beneath a node."""


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that grows at its right end: append is O(1) on average, the root O(log n)."""

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        """How many leaves."""
        self._peaks: list[bytes] = []
        """Roots of the perfect subtrees, largest first: one for each 1 bit of the size."""

    @classmethod
    def of(cls, size: int, peaks: Sequence[bytes]) -> Frontier:
        """Go on from a tree's :attr:`peaks`. Raises ValueError for another number of them."""
        if len(peaks) != size.bit_count():
            raise ValueError(f"{len(peaks)} peaks are not those of {size} leaves")
        frontier = cls()
        frontier.size = size
        frontier._peaks = list(peaks)
        return frontier

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """Roots of the perfect subtrees, largest first."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Take the next leaf's hash."""
        size = self.size
        while size & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            size >>= 1
        self._peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        *left, root = self._peaks
        for peak in reversed(left):
            root = node_hash(peak, root)
        return root


def root_of(hashes: Iterable[bytes]) -> bytes:
    frontier = Frontier()
    for one in hashes:
        frontier.append(one)
    return frontier.root()


def inclusion_proof(hashes: Iterable[bytes], index: int, size: int) -> list[bytes]:
    """Prove that leaf ``index`` is in the tree of the first ``size`` leaves.

    Raises ValueError where there is no such leaf, or fewer hashes than ``size``.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    return _roots(hashes, list(_path(index, 0, size)))


def consistency_proof(hashes: Iterable[bytes], old: int, new: int) -> list[bytes]:
    """Prove that the tree of the first ``new`` leaves extends that of the first ``old``.

    Raises ValueError where ``old`` is greater, or there are fewer hashes than ``new``.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} cannot extend one of {old}")
    if old in {0, new}:
        return []
    return _roots(hashes, list(_subproof(old, 0, new)))


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether the proof shows the leaf's hash at ``index`` of the tree with this root."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(step, found)
            shift = _zeros(node)
            node, last = node >> shift, last >> shift
        else:
            found = node_hash(found, step)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether the proof shows that the tree of size ``new`` extends that of size ``old``."""
    if old == new:
        return not proof and old_root == new_root
    if old == 0 or old > new:
        return old == 0 and not proof and old_root == EMPTY_ROOT
    # A perfect old tree is its own first node, so the proof leaves it out.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = old - 1, new - 1
    shift = _zeros(~node)
    node, last = node >> shift, last >> shift
    first = second = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(step, first), node_hash(step, second)
            shift = _zeros(node)
            node, last = node >> shift, last >> shift
        else:
            second = node_hash(second, step)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _zeros(number: int) -> int:
    """How many 0 bits stand at a number's right end; none for 0, which has nothing else."""
    return (number & -number).bit_length() - 1 if number else 0


def _split(first: int, end: int) -> int:
    """Where RFC 6962 parts leaves: the left side is the largest power of two that is smaller."""
    return first + (1 << (end - first - 1).bit_length() - 1)


def _path(index: int, first: int, end: int) -> Iterator[Range]:
    """Name the nodes of an inclusion proof, lowest first (RFC 6962, 2.1.1)."""
    if end - first == 1:
        return
    middle = _split(first, end)
    if index < middle:
        yield from _path(index, first, middle)
        yield middle, end
    else:
        yield from _path(index, middle, end)
        yield first, middle


def _subproof(old: int, first: int, end: int) -> Iterator[Range]:
    """Name the nodes of a consistency proof, lowest first (RFC 6962, 2.1.2)."""
    if old == end:
        if first:  # the whole old tree is what the verifier has already
            yield first, end
        return
    middle = _split(first, end)
    if old <= middle:
        yield from _subproof(old, first, middle)
        yield middle, end
    else:
        yield from _subproof(old, middle, end)
        yield first, middle


def _roots(hashes: Iterable[bytes], ranges: Sequence[Range]) -> list[bytes]:
    """Return the roots of ranges that do not overlap, in the order in which they were asked for.

    Raises ValueError where the hashes end before the last range does.
    """
    found: dict[Range, bytes] = {}
    waiting = sorted(ranges, reverse=True)
    frontier = Frontier()
    for index, one in enumerate(hashes):
        if not waiting:
            break
        first, end = waiting[-1]
        if index >= first:
            frontier.append(one)
        if index == end - 1:
            found[waiting.pop()] = frontier.root()
            frontier = Frontier()
    if waiting:
        raise ValueError(f"there are fewer than {waiting[0][1]} leaves")
    return [found[one] for one in ranges]
