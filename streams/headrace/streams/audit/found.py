"""What a reading of the source comes to: events that are evidence, policies that take effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.events.envelope import Envelope
from headrace.sinks.audit.keys import DataKey, DataKeys, KeyName, ShreddedError
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
    key: DataKey | None
    """None: it was sealed before, and what by was shredded since."""


def sealings(keys: DataKeys, found: Sequence[Found]) -> list[Sealing]:
    """Ask for the names and the keys of all these events at once. Blocks: for a thread.

    A key is made for none but what is to be written. Raises what the keys raise.
    """
    whos = [_who(keys, one.event) for one in found]
    names = [
        KeyName(who.user or who.session, one.audit_class) if one.written is None else None
        for who, one in zip(whos, found, strict=True)
    ]
    current = keys.current({name for name in names if name is not None})
    return [
        Sealing(who, current[name] if name is not None else _key_of(keys, one.written))
        for who, name, one in zip(whos, names, found, strict=True)
    ]


def _key_of(keys: DataKeys, written: Written | None) -> DataKey | None:
    key_id = written.head.key if written is not None else None
    try:
        return DataKey(key_id, keys.by_id(key_id)) if key_id is not None else None
    except ShreddedError:
        return None


def _who(keys: DataKeys, event: Envelope) -> Pseudonyms:
    user = keys.pseudonym("user", event.tenant, event.user) if event.user else None
    return Pseudonyms(user, keys.pseudonym("session", event.tenant, event.session))
