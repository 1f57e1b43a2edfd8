"""Signed notes as C2SP's ``signed-note`` describes them: a text, a blank line, signatures.

A signature's line is ``— <name> <base64(4 bytes of key id || 64 bytes of Ed25519)>``; it covers
the text with its last newline. A public key is written ``<name>+<key id>+<base64(0x01 || key)>``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from headrace.events.errors import HeadraceError

ED25519: Final = b"\x01"
LARGEST: Final = 1_000_000
"""Bytes of a note; what Go's sumdb takes."""
MOST_SIGNATURES: Final = 100


class NoteError(HeadraceError):
    """A note that is not well-formed, or that no known key signed."""


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key with the name that it signs under."""

    name: str
    public: bytes
    """The 32 bytes of an Ed25519 public key."""

    @property
    def key_id(self) -> bytes:
        """4 bytes that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def line(self) -> str:
        """Write it as one line, without the newline."""
        return f"{self.name}+{self.key_id.hex()}+{_encode(ED25519 + self.public)}"

    @classmethod
    def parse(cls, line: str) -> NoteKey:
        """Read a line as :meth:`line` writes it. Raises :class:`NoteError`."""
        name, _, rest = line.partition("+")
        stated, _, material = rest.partition("+")
        key = _decode(material)
        if key[:1] != ED25519 or len(key) != 33:  # noqa: PLR2004 - the type and 32 bytes
            raise NoteError(f"not an Ed25519 key of a signed note: {line[:80]!r}")
        made = cls(_named(name), key[1:])
        if made.key_id.hex() != stated:
            raise NoteError(f"the key id of {name!r} is not that of its key")
        return made


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of a note, checked or not."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text and who is said to have signed it."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        lines = [
            f"\u2014 {one.name} {_encode(one.key_id + one.signature)}\n" for one in self.signatures
        ]
        return f"{self.text}\n{''.join(lines)}".encode()


def sign(text: str, *, name: str, key_id: bytes, sign: Callable[[bytes], bytes]) -> Note:
    """Sign a text, which ends with a newline. ``sign`` returns 64 bytes of Ed25519.

    Raises :class:`NoteError` for a text or a name that no reader would take.
    """
    _check_text(text)
    return Note(text, (Signature(_named(name), key_id, sign(text.encode())),))


def parse(content: bytes) -> Note:
    """Read a note without checking a signature. Raises :class:`NoteError`."""
    if len(content) > LARGEST:
        raise NoteError(f"a note of {len(content):,} bytes: more than {LARGEST:,}")
    try:
        written = content.decode()
    except UnicodeDecodeError:
        raise NoteError("a note is UTF-8") from None
    text, blank, lines = written.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteError("a note is a text, a blank line and signatures")
    _check_text(text + "\n")
    signatures = lines[:-1].split("\n")
    if len(signatures) > MOST_SIGNATURES:
        raise NoteError(f"a note with more than {MOST_SIGNATURES} signatures")
    return Note(text + "\n", tuple(_signature(line) for line in signatures))


def verify(note: Note, keys: Iterable[NoteKey]) -> list[NoteKey]:
    """Return the keys that signed it, at least one. Signatures of unknown keys are ignored.

    Raises :class:`NoteError` where no known key signed, or one that did not is said to have.
    """
    known = {(key.name, key.key_id): key for key in keys}
    found: list[NoteKey] = []
    for one in note.signatures:
        key = known.get((one.name, one.key_id))
        if key is None or key in found:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(one.signature, note.text.encode())
        except InvalidSignature:
            raise NoteError(f"the signature of {one.name} is not good") from None
        found.append(key)
    if not found:
        names = ", ".join(sorted({one.name for one in note.signatures}))
        raise NoteError(f"no known key signed this: it is said to be by {names}")
    return found


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, material = rest.partition(" ")
    signed = _decode(material)
    if dash != "\u2014" or len(signed) < 5:  # noqa: PLR2004 - a key id and at least one byte
        raise NoteError(f"not a signature's line: {line[:80]!r}")
    return Signature(_named(name), signed[:4], signed[4:])


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(c < " " and c != "\n" for c in text):
        raise NoteError("a note's text has whole lines and no control characters")


def _named(name: str) -> str:
    if not name or "+" in name or name.split() != [name]:
        raise NoteError(f"a key's name has no blank and no plus: {name[:80]!r}")
    return name


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decode(text: str) -> bytes:
    """Read base64 in its one canonical spelling."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError(f"not base64: {text[:80]!r}") from None
    if _encode(content) != text:
        raise NoteError(f"not canonical base64: {text[:80]!r}")
    return content
