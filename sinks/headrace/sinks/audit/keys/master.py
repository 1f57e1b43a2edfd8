"""Master keys: what wraps data keys. This one is 32 bytes, from a file or the environment."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from headrace.events.errors import SettingsError
from headrace.sinks.audit.keys.errors import MissingKeyError

LENGTH: Final = 32
"""Bytes of a master key, and of a data key."""
_NONCE: Final = 12


class MasterKey(Protocol):
    """Blocking; safe from any thread. No method tells the key."""

    @property
    def id(self) -> str:
        """What wrapped keys name it by."""
        ...

    def wrap(self, key_id: str, key: bytes) -> bytes:
        """Encrypt a key so that it opens only under the same id."""
        ...

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Raises :class:`MissingKeyError` where it is not this key's work, or another id's."""
        ...


class LocalMasterKey:
    """AES-256-GCM. Its id is a prefix of its hash, so that it can be asked for by name."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self.id = hashlib.sha256(b"headrace master key\n" + key).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"LocalMasterKey({self.id})"

    def wrap(self, key_id: str, key: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, key, key_id.encode())

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        try:
            return self._cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], key_id.encode())
        except (InvalidTag, ValueError):
            raise MissingKeyError(
                f"the key {key_id} is damaged in its store: restore it from a backup"
            ) from None


def generate() -> str:
    """Return a fresh master key, as :func:`parse` reads it."""
    return base64.b64encode(secrets.token_bytes(LENGTH)).decode()


def parse(text: str, source: str) -> list[LocalMasterKey]:
    """Read master keys, base64, apart by blanks or lines: the first wraps, each unwraps.

    Raises :class:`SettingsError` that names ``source`` and quotes nothing.
    """
    keys = [_decoded(word, source) for word in text.split()]
    if not keys:
        raise SettingsError(f"{source} holds no master key: it must be base64 of {LENGTH} bytes")
    return [LocalMasterKey(key) for key in keys]


def _decoded(word: str, source: str) -> bytes:
    try:
        key = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != LENGTH:
        raise SettingsError(
            f"{source} must hold base64 of {LENGTH} bytes, one master key a line, the current first"
        )
    return key
