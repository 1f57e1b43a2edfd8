"""What can go wrong with keys.

KeysError
├── ShreddedError      the key was destroyed on purpose: what it encrypted is gone for good
├── MissingKeyError    the key is not there, or damaged: restore it from a backup
├── MasterKeyError     the key is wrapped by a master key that these settings do not give
└── KeyStoreError      the store refuses: rights, a full disk, a wrong bucket

A store or a KMS that does not answer is :class:`headrace.events.errors.Retryable`.
"""

from __future__ import annotations

from headrace.events.errors import HeadraceError


class KeysError(HeadraceError):
    """The root."""


class ShreddedError(KeysError):
    """A key that was destroyed on purpose."""

    def __init__(self, key_id: str, shredded_at: float) -> None:
        super().__init__(f"the key {key_id} was shredded: what it encrypted cannot be read again")
        self.key_id = key_id
        self.shredded_at = shredded_at
        """Seconds since 1970."""


class MissingKeyError(KeysError):
    """A key that is lost: not there, or not readable as one."""


class MasterKeyError(KeysError):
    """No master key that is known here unwraps this."""


class KeyStoreError(KeysError):
    """The key store cannot be used. The message says where and why."""
