"""Making a segment: what is written of a run of leaves, before it is sealed and when it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headrace.sinks.audit.vault import seal as seals
from headrace.sinks.audit.vault.place import Place
from headrace.sinks.audit.vault.seal import ClassFile, HashFile, Seal

SHORT: Final = 16
"""Hex digits of its SHA-256 in a file's name: what two sealers write is never of one name."""


@dataclass(frozen=True, slots=True)
class SealedLeaf:
    """One leaf on its way into the vault."""

    leaf: bytes
    """Its exact bytes, without an end of line in them."""
    hash: bytes
    audit_class: str
    days: int | None
    """How long it is kept; None: for ever."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a segment."""

    name: str
    content: bytes
    retain_until: float | None


@dataclass(frozen=True, slots=True)
class Segment:
    """The files of a run of leaves, which nothing names until their seal does."""

    classes: tuple[ClassFile, ...]
    hashes: HashFile
    files: tuple[DataFile, ...]


def make(log: str, first: int, leaves: Sequence[SealedLeaf], sealed_at: float) -> Segment:
    """Make the files of leaves ``first`` and following. The same arguments give the same bytes.

    A class file is kept as long as the leaf in it that is kept longest; hashes for ever, since what
    is left of a log can only be proven by all of them.
    """
    span = f"{seals.data_of(log)}{first:020d}-{first + len(leaves):020d}"
    by_class: dict[str, list[SealedLeaf]] = {}
    for one in leaves:
        by_class.setdefault(one.audit_class, []).append(one)
    files, classes = [], []
    for name, members in sorted(by_class.items()):
        content = b"".join([one.leaf + b"\n" for one in members])
        until = _until(members, sealed_at)
        file = _file(f"{span}.{name}", "jsonl", content, until)
        files.append(file)
        digest = hashlib.sha256(content).hexdigest()
        classes.append(ClassFile(name, file.name, digest, len(members), len(content), until))
    content = b"".join([one.hash for one in leaves])
    files.append(file := _file(span, "hashes", content, None))
    hashes = HashFile(file.name, hashlib.sha256(content).hexdigest())
    return Segment(tuple(classes), hashes, tuple(files))


def write(place: Place, segment: Segment) -> None:
    """Write the files; again after a failure: nothing is written twice."""
    for file in segment.files:
        place.create(file.name, file.content, retain_until=file.retain_until)


def commit(place: Place, seal: Seal) -> None:
    """Write the seal, which makes a segment part of its log.

    Raises :class:`~headrace.sinks.audit.vault.place.TakenError` where another sealer was there.
    """
    place.create(seal.name, seal.encode())


def _until(members: Sequence[SealedLeaf], sealed_at: float) -> float | None:
    days = [one.days for one in members]
    longest = max((d for d in days if d is not None), default=0)
    return None if None in days else sealed_at + longest * 86_400.0


def _file(stem: str, kind: str, content: bytes, until: float | None) -> DataFile:
    short = hashlib.sha256(content).hexdigest()[:SHORT]
    return DataFile(f"{stem}.{short}.{kind}", content, until)
