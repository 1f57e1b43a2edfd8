"""What keeps wrapped keys and tombstones: small contents by path, with compare-and-set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class KeyStore(Protocol):
    """Blocking; safe from any thread and from several processes at once.

    Raises :class:`KeyStoreError` where it refuses, :class:`Retryable` where it does not answer.
    """

    where: str
    """For people: a directory, or ``s3://bucket/prefix``."""

    def read(self, path: str) -> bytes | None:
        """Return a content; None where there is none."""
        ...

    def create(self, path: str, content: bytes) -> bool:
        """Put a content where there is none. False: another was there before.

        It is durable, and seen by every reader, when this returns.
        """
        ...

    def replace(self, path: str, old: bytes, new: bytes) -> bool:
        """Put a content in place of ``old``. False: it was no longer ``old``."""
        ...

    def bury(self, path: str, old: bytes, tombstone: bytes) -> bool:
        """Put a tombstone in place of ``old`` and destroy every former copy, as far as it can.

        False: it was no longer ``old``. With the tombstone itself as ``old``: finish what was
        interrupted.
        """
        ...

    def paths(self, prefix: str = "") -> Iterator[str]:
        """Yield what there is, in order."""
        ...

    def prepare(self) -> None:
        """Make the place that contents are put in, where it can be made."""
        ...
