"""A seal: what commits a segment, which is a run of a log's leaves. Read strictly."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.note import Note
from headrace.sinks.audit.vault.place import ChangedError

VERSION: Final = 1
LARGEST: Final = 65_536
"""Leaves of a segment, at most: whoever looks for an index need not look further back."""

_Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_Log = Annotated[str, Meta(pattern="^[0-9a-f]{16}-(0|[1-9][0-9]{0,9})$")]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class ClassFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The leaves of one class, exact bytes, a line each, by index."""

    audit_class: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,31}$")] = msgspec.field(
        name="class"
    )
    name: str
    """In the vault."""
    sha256: _Hash
    count: Annotated[int, Meta(ge=1)]
    size: Annotated[int, Meta(ge=1)] = msgspec.field(name="bytes")
    retain_until: float | None
    """Seconds since 1970; None: for ever."""


class HashFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """32 bytes a leaf, all classes, in order."""

    name: str
    sha256: _Hash


class AuditPosition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to where ``agent.audit`` was read, in which of its lives, and under whose claim."""

    incarnation: str
    partition: _Count
    offset: _Count
    """Behind the record of the last leaf."""
    writer: str
    """The claim that held there; its bytes as Latin-1."""


class PolicyDays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy that was in effect at the last leaf."""

    id: str
    days: dict[str, int | None]
    """Class to days of retention; None: for ever."""


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Leaves ``first`` to ``end - 1`` of a log. See ``docs/audit-design.md``. Immutable."""

    v: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    log: _Log
    first: _Count
    end: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    classes: Annotated[tuple[ClassFile, ...], Meta(min_length=1)]
    hashes: HashFile
    previous: _Hash
    """The hash of the leaf before ``first``; zeros where there is none."""
    head: _Hash
    """The hash of the last leaf."""
    peaks: tuple[_Hash, ...]
    """Of the tree of the log's first ``end`` leaves, the largest first."""
    source_offset: _Count
    """Of the last leaf, plus 1."""
    audit: AuditPosition
    policy: PolicyDays | None
    """None: no policy's leaf was seen, and all of it is kept for ever."""
    sealed_at: float
    """Seconds since 1970."""
    checkpoint: str
    """A signed note over those ``end`` leaves. The last field: it binds all before it."""

    @property
    def name(self) -> str:
        """Its own name in the vault."""
        return seal_name(self.log, self.first)

    @property
    def count(self) -> int:
        return self.end - self.first

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    def signed(self, root: bytes, sign: Callable[[str], Note]) -> Seal:
        """Return it with its checkpoint, of a tree with this root.

        An extension line holds the SHA-256 of the seal's bytes before ``,"checkpoint":``. Who
        cannot sign can so not move a date forward and remove what then seems to have fallen due.
        """
        head, _, _ = self.encode().rpartition(b',"checkpoint":')
        text = Checkpoint.of(self.log, self.end, root).to_text()
        signed = sign(f"{text}seal {hashlib.sha256(head).hexdigest()}\n")
        return msgspec.structs.replace(self, checkpoint=signed.encode().decode())


_seal: Final = msgspec.json.Decoder(Seal).decode


def folder_of(log: str) -> str:
    return f"logs/{log}/"


def seals_of(log: str) -> str:
    """Return the prefix of a log's seals: an index of 20 digits begins with 0."""
    return f"logs/{log}/0"


def seal_name(log: str, first: int) -> str:
    return f"logs/{log}/{first:020d}.seal"


def data_of(log: str) -> str:
    return f"logs/{log}/data/"


def read_seal(name: str, content: bytes) -> Seal:
    """Read the seal that stands under a name. Raises :class:`ChangedError` that names it."""
    try:
        seal = _seal(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ChangedError(f"{name} is no seal: {error}") from None
    fault = _fault(seal, name)
    if fault:
        raise ChangedError(f"{name} is no seal: {fault}")
    return seal


def _fault(seal: Seal, name: str) -> str | None:
    """Say what contradicts itself. What only others can refute is for who verifies."""
    files = [*(one.name for one in seal.classes), seal.hashes.name]
    if seal.name != name:
        return f"it says that it is {seal.name}"
    if not 0 < seal.count <= LARGEST:
        return f"it holds {seal.count} leaves"
    if sum(one.count for one in seal.classes) != seal.count:
        return "its classes do not hold its leaves"
    if len({one.audit_class for one in seal.classes}) != len(seal.classes):
        return "a class stands in it twice"
    if len(seal.peaks) != seal.end.bit_count():
        return f"{len(seal.peaks)} peaks are not those of {seal.end} leaves"
    if not all(one.startswith(data_of(seal.log)) for one in files):
        return "it names a file that is not its log's"
    return None
