"""What a reading of the source comes to: events that are evidence, policies that take effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.events.envelope import Envelope
from headrace.sinks.audit.keys import DataKey, DataKeys, KeyName
from headrace.sinks.audit.leaf import Leaf, Pseudonyms


@dataclass(frozen=True, slots=True)
class Written:
    """An entry that stands in agent.audit already."""

    head: Leaf
    hash: bytes
    """Of the whole leaf."""


@dataclass(slots=True)
class Found:
    """An event that the policy selects."""

    offset: int
    event: Envelope
    value: bytes
    """The record's, exactly."""
    policy: str
    audit_class: str
    written: Written | None = None
    """What was made of it before, which it must come to again."""


@dataclass(frozen=True, slots=True)
class Change:
    """A policy that takes effect."""

    offset: int
    """The first one in the source that it judges."""
    ts: float
    policy: str
    text: str


@dataclass(frozen=True, slots=True)
class Sealing:
    """By which names and which key an event is sealed."""

    who: Pseudonyms
    key: DataKey


def sealings(keys: DataKeys, found: Sequence[Found]) -> list[Sealing]:
    """Ask for the names and the keys of all these events at once. Blocks: for a thread.

    Raises what the keys raise.
    """
    whos = [_who(keys, one.event) for one in found]
    names = [
        KeyName(who.user or who.session, one.audit_class)
        for who, one in zip(whos, found, strict=True)
    ]
    current = keys.current(set(names))
    return [Sealing(who, current[name]) for who, name in zip(whos, names, strict=True)]


def _who(keys: DataKeys, event: Envelope) -> Pseudonyms:
    user = keys.pseudonym("user", event.tenant, event.user) if event.user else None
    return Pseudonyms(user, keys.pseudonym("session", event.tenant, event.session))
