"""Legal holds, which outrank the wish to be forgotten."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from headrace.sinks.audit.vault.holds import Hold


@dataclass(frozen=True, slots=True)
class Person:
    """Who holds are asked about, by pseudonyms."""

    tenant: str
    user: str
    sessions: frozenset[str]
    """All that they took part in: the person's key encrypts what they did in others' sessions."""


def held(holds: Collection[Hold], person: Person, audit_class: str) -> list[str]:
    """Return the ids of the holds that may cover evidence of a class about a person."""
    return sorted(
        hold.id
        for hold in holds
        if hold.tenant in {None, person.tenant}
        and hold.user in {None, person.user}
        and (hold.session is None or hold.session in person.sessions)
        and hold.audit_class in {None, audit_class}
    )
