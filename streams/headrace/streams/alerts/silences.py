"""Silences: alerts that match are told to nobody until the silence ends."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from headrace.streams.alerts.matchers import Matcher, all_match, parse_matchers

KEEP: Final = 5 * 86_400
"""Seconds for which an expired silence can still be looked at."""


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence. Times are seconds since 1970. Immutable, so safe from any thread."""

    id: str
    matchers: tuple[Matcher, ...]
    """All must match, as Alertmanager has it."""
    starts_at: float
    ends_at: float
    created_by: str
    comment: str
    updated_at: float
    """The newest version of an id counts."""

    def active(self, now: float) -> bool:
        return self.starts_at <= now < self.ends_at

    def as_data(self) -> dict[str, Any]:
        data = {name: getattr(self, name) for name in self.__slots__}
        return {**data, "matchers": ",".join(map(str, self.matchers))}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Silence:
        """Make one of :meth:`as_data`. Raises :class:`ValueError` where it is none."""
        try:
            matchers = parse_matchers(data["matchers"])
            return cls(**{**{name: data[name] for name in cls.__slots__}, "matchers": matchers})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no silence: {error!r}") from None


def silence(
    matchers: str, *, starts_at: float, ends_at: float, created_by: str, comment: str, now: float
) -> Silence:
    """Make a new silence of matchers as they are written.

    Raises :class:`ValueError` where it would silence everything, or nothing.
    """
    parsed = parse_matchers(matchers)
    if not any(not one.matches("") for one in parsed):
        raise ValueError("at least one matcher must need a label: this would silence every alert")
    if ends_at <= max(starts_at, now):
        raise ValueError("a silence must end after it starts, and after now")
    said = orjson.dumps([list(map(str, parsed)), starts_at, ends_at, created_by, comment, now])
    name = hashlib.sha256(said).hexdigest()[:16]
    return Silence(name, parsed, starts_at, ends_at, created_by, comment, now)


class Silences:
    """The silences there are. Belongs to one thread."""

    def __init__(self) -> None:
        self._silences: dict[str, Silence] = {}

    def __iter__(self) -> Iterator[Silence]:
        return iter(self._silences.values())

    def take(self, one: Silence) -> None:
        """Take a silence in; an older version of one that is there changes nothing."""
        before = self._silences.get(one.id)
        if before is None or one.updated_at >= before.updated_at:
            self._silences[one.id] = one

    def forget(self, name: str) -> None:
        """Drop a silence whose record is gone."""
        self._silences.pop(name, None)

    def expire(self, name: str, now: float) -> Silence:
        """End a silence now; gives the version that is to be written.

        It is the newest one although the clock that made the silence may be ahead of this one.
        Raises :class:`KeyError` where there is none of that id.
        """
        before = self._silences[name]
        newest = max(before.updated_at, now)
        ended = replace(before, ends_at=min(before.ends_at, now), updated_at=newest)
        self._silences[name] = ended
        return ended

    def silencing(self, labels: Mapping[str, str], now: float) -> tuple[str, ...]:
        """Give the ids of the silences that an alert with these labels falls under."""
        return tuple(
            one.id
            for one in self._silences.values()
            if one.active(now) and all_match(one.matchers, labels)
        )

    def clean(self, now: float) -> list[str]:
        """Drop what expired long ago; gives the ids, whose records can go too."""
        gone = [one.id for one in self if one.ends_at < now - KEEP]
        for name in gone:
            del self._silences[name]
        return gone
