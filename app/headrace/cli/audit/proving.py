"""Proofs out of the vault: that a record is in its log, that one checkpoint extends another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.cli.audit import access
from headrace.cli.audit.access import Access
from headrace.cli.faults import CommandError
from headrace.events.settings import Settings
from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from headrace.sinks.audit.tree.note import NoteError, NoteKey
from headrace.sinks.audit.vault.vault import Vault

VERSION = 1
_SIGNATURES = "\n\n\N{EM DASH} ".encode()
"""Behind the text of each note."""
_BROKEN = "the vault does not prove it: `headrace audit verify` says where it is broken"


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint that a known key signed."""

    checkpoint: Checkpoint
    text: str
    """The whole note."""
    signer: str


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That a record is in its log."""

    log: str
    index: int
    hash: bytes
    leaf: bytes | None
    """None where it fell due and is gone."""
    path: list[bytes]
    signed: Signed

    def as_json(self) -> dict[str, Any]:
        """Return what ``verify.py --proof`` reads."""
        return {
            "v": VERSION,
            "log": self.log,
            "index": self.index,
            "size": self.signed.checkpoint.size,
            "hash": self.hash.hex(),
            "leaf": None if self.leaf is None else self.leaf.decode(),
            "path": [step.hex() for step in self.path],
            "checkpoint": self.signed.text,
        }


@dataclass(frozen=True, slots=True)
class Consistency:
    """Whether one checkpoint extends another, and what shows it."""

    log: str
    old: Signed
    new: Signed
    path: list[bytes]
    good: bool

    def as_json(self) -> dict[str, Any]:
        """Return what ``verify.py --proof`` reads."""
        return {
            "v": VERSION,
            "log": self.log,
            "extends": self.good,
            "path": [step.hex() for step in self.path],
            "old": self.old.text,
            "checkpoint": self.new.text,
        }


def signed(content: bytes, keys: Sequence[NoteKey], where: str) -> Signed:
    """Read a signed checkpoint. Raises :class:`CommandError` that names where it is."""
    try:
        read = note.parse(content)
        (key, *_) = note.verify(read, keys)
        checkpoint = Checkpoint.from_text(read.text)
        _ = checkpoint.log
    except NoteError as error:
        raise CommandError(f"{where}: {error}") from None
    return Signed(checkpoint, content.decode(), f"{key.name}+{key.key_id.hex()}")


def read_signed(path: Path, keys: Sequence[NoteKey]) -> Signed:
    """Read a file of one. Raises :class:`CommandError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CommandError(
            f"{path} cannot be read: {error.strerror}: it is to be a checkpoint that was kept, by "
            "`headrace audit checkpoint --log LOG > FILE`"
        ) from None
    if content.count(_SIGNATURES) > 1:
        raise CommandError(
            f"{path} holds checkpoints of several logs: take one by "
            "`headrace audit checkpoint --log LOG`"
        )
    return signed(content, keys, str(path))


def latest(vault: Vault, log: str, keys: Sequence[NoteKey]) -> Signed:
    """Return a log's latest checkpoint. Raises :class:`CommandError`, and as the vault."""
    seal = vault.last_seal(log)
    if seal is None:
        raise CommandError(f"nothing of log {log!r} is in the vault")
    return signed(seal.checkpoint.encode(), keys, seal.name)


def inclusion(vault: Vault, keys: Sequence[NoteKey], log: str, index: int) -> Inclusion:
    """Prove a record against its log's latest checkpoint. Raises as :func:`latest`."""
    newest = latest(vault, log, keys)
    size, root = newest.checkpoint.size, newest.checkpoint.root
    seal = vault.seal_at(log, index)
    if seal is None:
        raise CommandError(f"log {log} has {size:,} sealed records: there is no {index:,}")
    hashed = vault.hashes(seal)[index - seal.first]
    leaf = vault.leaf(log, index)
    path = inclusion_proof(vault.all_hashes(log, size), index, size)
    if leaf is not None and leaf_hash(leaf) != hashed:
        raise CommandError(_BROKEN)
    if not verify_inclusion(hashed, index, size, path, root):
        raise CommandError(_BROKEN)
    return Inclusion(log, index, hashed, leaf, path, newest)


def tell(settings: Settings, proof: Inclusion, who: str) -> None:
    """Tell of a proof, where it holds its record. Raises :class:`CommandError` as ``access``."""
    if proof.leaf is not None:
        asked = Access(who, "prove", {"log": proof.log, "index": proof.index})
        access.tell(settings, asked, {leaves.read(proof.leaf).tenant or "": 1})


def consistency(vault: Vault, old: Signed, new: Signed) -> Consistency:
    """Say whether ``new`` extends ``old``. Raises :class:`CommandError`, and as the vault."""
    log, size, to = new.checkpoint.log, old.checkpoint.size, new.checkpoint.size
    if old.checkpoint.log != log:
        raise CommandError(f"they are of two logs, {old.checkpoint.log} and {log}")
    if size > to:
        raise CommandError(f"the first is of {size:,} records, the second of {to:,}: turn them")
    try:
        path = consistency_proof(vault.all_hashes(log, to), size, to)
    except ValueError:
        raise CommandError(f"the vault has fewer than the {to:,} records of the second") from None
    roots = old.checkpoint.root, new.checkpoint.root
    return Consistency(log, old, new, path, verify_consistency(size, to, path, *roots))
