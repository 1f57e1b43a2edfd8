"""A seal: what commits a segment, which is a run of a log's leaves. Read strictly."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.merkle import Frontier
from headrace.sinks.audit.tree.note import Note, NoteError
from headrace.sinks.audit.vault.place import ChangedError

VERSION: Final = 1
LARGEST: Final = 65_536
"""Leaves of a segment, at most: whoever looks for an index need not look further back."""

_CHECKPOINT: Final = b',"checkpoint":'
"""What stands before the last field."""

_Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_LOG: Final = "^[0-9a-f]{16}-(0|[1-9][0-9]{0,9})$"
_CLASS: Final = "^[a-z][a-z0-9-]{0,31}$"
_Log = Annotated[str, Meta(pattern=_LOG)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class ClassFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The leaves of one class, exact bytes, a line each, by index."""

    audit_class: Annotated[str, Meta(pattern=_CLASS)] = msgspec.field(name="class")
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
    """A signed note over those ``end`` leaves and over what stands before it here."""

    @property
    def name(self) -> str:
        """Its own name in the vault."""
        return seal_name(self.log, self.first)

    @property
    def count(self) -> int:
        return self.end - self.first

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    def checkpoint_text(self) -> str:
        """Return what is to be signed: the checkpoint, and a line that binds this seal to it.

        Without it a date of retention could be changed unnoticed.
        """
        peaks = [bytes.fromhex(one) for one in self.peaks]
        root = Frontier.of(self.end, peaks).root()
        return Checkpoint.of(self.log, self.end, root).to_text() + _bond(self.encode())

    def signed(self, checkpoint: Note) -> Seal:
        """Return the seal with its checkpoint."""
        return msgspec.structs.replace(self, checkpoint=checkpoint.encode().decode())


_seal: Final = msgspec.json.Decoder(Seal).decode


def is_log(name: str) -> bool:
    """Whether a log may be called so: its id is part of names."""
    return re.match(_LOG, name) is not None and not name.endswith("\n")


def is_class(name: str) -> bool:
    """Whether a class may be called so, for the same reason."""
    return re.match(_CLASS, name) is not None and not name.endswith("\n")


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
    fault = _fault(seal, name) or _unbound(seal, content)
    if fault:
        raise ChangedError(f"{name} is no seal: {fault}")
    return seal


def _fault(seal: Seal, name: str) -> str | None:
    """Say what contradicts itself. Signatures are for who verifies."""
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


def _unbound(seal: Seal, content: bytes) -> str | None:
    """Say why the checkpoint is not one of this seal."""
    try:
        text = note.parse(seal.checkpoint.encode()).text
        Checkpoint.from_text(text)
    except NoteError as error:
        return str(error)
    # Of what was read, not of what would be written.
    if text != seal.checkpoint_text().rpartition("seal ")[0] + _bond(content):
        return "its checkpoint is another's"
    return None


def _bond(content: bytes) -> str:
    head = content.rpartition(_CHECKPOINT)[0]
    return f"seal {hashlib.sha256(head).hexdigest()}\n"
