"""The keys that sign checkpoints: Ed25519, in a directory.

::

    0001.pub   the public key, as a signed note's key is written; it stays for ever
    0002.key   the private key (PEM, 0600) of the highest number: it signs
    0002.pub

A rotation makes the next number and destroys the former private key: whoever takes the machine
afterwards cannot sign in its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from headrace.events.errors import SettingsError
from headrace.sinks.audit.keys.private import (
    create_private,
    destroy,
    make_private,
    read_private,
)
from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.note import Note, NoteError, NoteKey

NAME: Final = "headrace"
"""What a key is called where no host is known."""
_ROTATE: Final = "`headrace audit keys rotate --signing` makes a new one"


@final
class SigningKeys:
    """The key that signs, and the public keys of all that did. Immutable; any thread."""

    def __init__(self, private: Ed25519PrivateKey, public: list[NoteKey]) -> None:
        self._private = private
        self.public = public
        """The oldest first; the last one signs."""

    @property
    def current(self) -> NoteKey:
        return self.public[-1]

    def sign(self, text: str) -> Note:
        """Sign a note's text. Raises :class:`NoteError` for what is none."""
        key = self.current
        return note.sign(text, name=key.name, key_id=key.key_id, sign=self._private.sign)


def load(folder: Path) -> SigningKeys:
    """Read the keys. Raises :class:`SettingsError` that says what to do."""
    public = public_keys(folder)
    if not public:
        raise SettingsError(f"no signing keys in {folder}: run `headrace audit keys init`")
    number = max(public)
    key = public[number]
    path = folder / f"{number:04d}.key"
    pem = read_private(path)
    if pem is None:
        raise SettingsError(
            f"the private key of {key.name}+{key.key_id.hex()} is lost ({path} is not there): "
            f"what it signed still verifies; restore it, or {_ROTATE}"
        )
    private = _private(path, pem)
    if _note_key(key.name, private) != key:
        raise SettingsError(f"{path} is not the private key of {number:04d}.pub: {_ROTATE}")
    return SigningKeys(private, list(public.values()))


def public_keys(folder: Path) -> dict[int, NoteKey]:
    """Return the public keys by number, in order. Raises :class:`SettingsError`."""
    try:
        paths = sorted(path for path in folder.glob("*.pub") if path.stem.isdecimal())
        return {int(path.stem): NoteKey.parse(path.read_text().strip()) for path in paths}
    except (OSError, UnicodeDecodeError, NoteError) as error:
        raise SettingsError(f"the public keys in {folder} cannot be read: {error}") from None


def initialise(folder: Path, name: str) -> bool:
    """Make the first key where there is none. False: there is one. Raises as :func:`load`."""
    with _faults(folder):
        make_private(folder)
        if public_keys(folder):
            return False
        _make(folder, 1, name)
        return True


def rotate(folder: Path, name: str) -> NoteKey:
    """Make the next key, which signs from now on, and destroy the former private ones."""
    former = public_keys(folder)
    if not former:
        raise SettingsError(f"no signing keys in {folder}: run `headrace audit keys init`")
    number = max(former) + 1
    with _faults(folder):
        made = _make(folder, number, name)
        for old in range(1, number):
            destroy(folder / f"{old:04d}.key")
    return made


def _make(folder: Path, number: int, name: str) -> NoteKey:
    """Make a key; go on with the private key of one that was interrupted, or is another's."""
    path = folder / f"{number:04d}.key"
    fresh = Ed25519PrivateKey.generate()
    pem = fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    create_private(path, pem)
    key = _note_key(name, _private(path, read_private(path) or ""))
    create_private(folder / f"{number:04d}.pub", key.line().encode() + b"\n")
    return key


def _private(path: Path, pem: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{path} is no Ed25519 private key: restore it, or {_ROTATE}")
    return key


def _note_key(name: str, private: Ed25519PrivateKey) -> NoteKey:
    return NoteKey(name, private.public_key().public_bytes_raw())


@contextmanager
def _faults(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be written: {error.strerror}: see HEADRACE_AUDIT_SIGNING_KEYS"
        ) from None
