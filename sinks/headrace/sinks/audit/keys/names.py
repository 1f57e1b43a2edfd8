"""What data keys are called, and where in a store they are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from headrace.sinks.audit.keys.errors import MissingKeyError

PSEUDONYMS: Final = "pseudonyms"
"""The id of the secret that makes pseudonyms."""
_ID: Final = re.compile(r"([0-9a-f]{32})\.([a-z][a-z0-9-]{0,31})\.([1-9][0-9]{0,8})")
_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class KeyName:
    """Whose evidence of which class a key encrypts."""

    subject: str
    """32 hex digits: the pseudonym of the user, else of the session."""
    audit_class: str

    def generation(self, number: int) -> str:
        """Return a key's id. Generations count from 1; one more after each shredding."""
        return f"{self.subject}.{self.audit_class}.{number}"

    @staticmethod
    def number_of(key_id: str) -> int:
        return int(key_id.rpartition(".")[2])


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key in the clear."""

    id: str
    """``<subject>.<class>.<generation>``"""
    key: bytes = field(repr=False)
    """32 bytes."""


def path_of(key_id: str) -> str:
    """Return where in a store a key is. Raises :class:`MissingKeyError` for what is no key's id."""
    if key_id == PSEUDONYMS:
        return PSEUDONYMS + _SUFFIX
    if not _ID.fullmatch(key_id):
        raise MissingKeyError(f"not the id of a data key: {key_id[:120]!r}")
    return f"{key_id[:2]}/{key_id}{_SUFFIX}"


def id_at(path: str) -> str | None:
    """Return the id of the key at a path; None where no key of ours would be there."""
    key_id = path.rpartition("/")[2].removesuffix(_SUFFIX)
    try:
        return key_id if path_of(key_id) == path else None
    except MissingKeyError:
        return None


def paths_of(subject: str) -> str:
    """Return what the paths of a subject's keys begin with."""
    return f"{subject[:2]}/{subject}."
