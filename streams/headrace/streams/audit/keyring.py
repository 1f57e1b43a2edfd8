"""What the split must know of data keys."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeyName:
    """Whose evidence of which class a key encrypts."""

    subject: str
    """The pseudonym of the user, else of the session."""
    audit_class: str


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key in the clear."""

    id: str
    key: bytes = field(repr=False)
    """32 bytes."""


class DataKeys(Protocol):
    """Blocking, safe from any thread. Raises Retryable where a store does not answer."""

    def pseudonym(self, kind: str, tenant: str, value: str) -> str: ...

    def current(self, names: Collection[KeyName]) -> dict[KeyName, DataKey]: ...
