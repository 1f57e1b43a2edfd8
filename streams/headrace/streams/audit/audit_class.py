"""A kind of evidence: how long it is kept, and whether it can be erased."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditClass:
    """A kind of evidence."""

    name: str
    retention_days: int | None
    """None: for ever."""
    erasable: bool
    """Whether a person who is forgotten is forgotten here, too."""
    purpose: str
    """Why it is kept, in words for whoever asks."""
    legal_hold: bool = False
    """Whether none of it goes while the policy says so: neither when due nor by forgetting."""
