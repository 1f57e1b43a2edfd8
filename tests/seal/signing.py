"""Keys of a test, which sign as :mod:`headrace.sinks.audit.keys` does."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.note import Note, NoteKey


class Signing:
    """One Ed25519 key."""

    def __init__(self, name: str = "test.example/headrace", seed: int = 1) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.signed: list[str] = []
        """Every text that was signed."""
        self.key = NoteKey(name, self._private.public_key().public_bytes_raw())

    @property
    def public(self) -> list[NoteKey]:
        return [self.key]

    def sign(self, text: str) -> Note:
        self.signed.append(text)
        key = self.key
        return note.sign(text, name=key.name, key_id=key.key_id, sign=self._private.sign)
