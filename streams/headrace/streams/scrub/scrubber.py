"""Rewrites events so that nothing is left in them that a rule finds.

The bytes are changed in place, token by token: what no rule finds is the same byte for byte, and
what comes out is JSON wherever what went in was.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

import orjson

from headrace.events.envelope import SEQ_MARK
from headrace.streams.scrub.event import Event, Plan, Tally
from headrace.streams.scrub.marks import Marks
from headrace.streams.scrub.paths import Paths, hint_of
from headrace.streams.scrub.prefilter import Prefilter
from headrace.streams.scrub.rule import PathRule, Rule
from headrace.streams.scrub.tokens import UnreadableError, members, split

MOST_PREFIXES: Final = 10_000
"""Remembered at a time."""


@dataclass(slots=True)
class Scrubbed:
    """What became of some values."""

    values: list[bytes | None]
    withheld: dict[int, str] = field(default_factory=dict)
    """Why a value could not be scrubbed, by index; there is None in its place."""
    rewritten: int = 0
    failed: set[int] = field(default_factory=set)
    """Those of them that could be read, but the scrubber failed on."""
    tally: Tally = field(default_factory=Tally)


class ScrubbedUser(NamedTuple):
    """What a user is called where everything was scrubbed."""

    name: str
    alone: bool
    """Nobody else is called so."""


class Scrubber:
    """Scrubs by the rules of one file. The same bytes always give the same. Any thread."""

    def __init__(self, rules: Sequence[Rule], marks: Marks) -> None:
        self.rules = tuple(rules)
        self._marks = marks
        self._prefilter = Prefilter([hint for rule in rules for hint in _hints(rule)])
        self._owners = [n for n, rule in enumerate(rules) for _ in _hints(rule)]
        """The rule of each hint."""
        self._prefixes: dict[bytes, tuple[bytes, Tally] | None] = {}
        self._plans: dict[frozenset[int], Plan] = {}
        self._plan_of = lru_cache(1024)(self._planned)

    def scrub(self, values: Sequence[bytes | None]) -> Scrubbed:
        """Scrub some values. What cannot be scrubbed is withheld, whatever the reason."""
        done = Scrubbed(list(values))
        for index in self._prefilter.suspects(values):
            value = values[index] or b""
            found = Tally()
            try:
                changed = self._by_its_prefix(value, found) or self.scrub_one(value, found)
            except UnreadableError as error:
                done.values[index] = None
                done.withheld[index] = f"withheld by the scrubber: {error}"
            except Exception as error:  # of whatever kind: the value must not pass
                done.values[index] = None
                done.withheld[index] = f"withheld: the scrubber failed on it ({_where(error)})"
                done.failed.add(index)
            else:
                done.tally.add(found)
                done.rewritten += changed != value
                done.values[index] = changed
        return done

    def scrub_one(self, value: bytes, tally: Tally, *, all_rules: bool = False) -> bytes:
        """Scrub one event by the rules that its bytes hint at, or by all.

        Raises :class:`UnreadableError` where it is not one JSON object.
        """
        tokens = split(value)
        event = Event(tokens, members(tokens), self._marks, tally)
        plan = self._plan_of(event.tenant)
        hinted = {self._owners[hint] for hint in self._prefilter.hints(value)}
        escaped = self._prefilter.is_escaped(value)
        if all_rules or not (hinted or escaped):
            event.scrub(plan, plan.numbers)
        else:
            event.scrub(plan, plan.numbers & hinted, self._hidden if escaped else None)
        return b"".join(tokens)

    def _by_its_prefix(self, value: bytes, tally: Tally) -> bytes | None:
        """Scrub a line of ours whose only hints are in its prefix, which a whole epoch shares.

        None: that cannot be, look closely. A prefix that is an object once it is closed is the
        beginning of every object that begins with it, so this decides by no hint.
        """
        at = value.find(SEQ_MARK)
        if at < 0 or self._prefilter.is_suspect(value, at):
            return None
        prefix = value[:at]
        if prefix not in self._prefixes:
            if len(self._prefixes) >= MOST_PREFIXES:
                self._prefixes.clear()
            self._prefixes[prefix] = self._scrub_prefix(prefix)
        scrubbed = self._prefixes[prefix]
        if scrubbed is None:
            return None
        tally.add(scrubbed[1])
        return scrubbed[0] + value[at:]

    def _scrub_prefix(self, prefix: bytes) -> tuple[bytes, Tally] | None:
        found = Tally()
        try:
            if b'"tenant":' not in prefix:
                return None
            return self.scrub_one(prefix + b"}", found)[:-1], found
        except UnreadableError:
            return None

    def user(self, tenant: str, name: str) -> ScrubbedUser:
        """Scrub the name of a user as it is in every event of theirs."""
        tally = Tally(samples=[])
        event = json.dumps({"tenant": tenant, "user": name, "data": {}}).encode()
        scrubbed: str = orjson.loads(self.scrub_one(event, tally))["user"]
        marks = (hit.mark for hit in tally.samples or ())
        return ScrubbedUser(scrubbed, all(self._marks.is_pseudonym(tenant, one) for one in marks))

    def is_readable(self, value: bytes) -> bool:
        """Whether a value that nothing was found in had been understood."""
        try:
            members(split(value))
        except UnreadableError:
            return False
        return True

    def _hidden(self, written_out: bytes) -> set[int]:
        """The rules that a text hints at once its escapes are gone."""
        return {self._owners[hint] for hint in self._prefilter.hints(written_out)}

    def _planned(self, tenant: str | None) -> Plan:
        numbers = frozenset(n for n, rule in enumerate(self.rules) if rule.applies(tenant))
        if numbers not in self._plans:
            chosen = ((n, self.rules[n]) for n in sorted(numbers))
            paths = Paths(
                (n, path) for n, rule in chosen if isinstance(rule, PathRule) for path in rule.paths
            )
            self._plans[numbers] = Plan(self.rules, numbers, paths)
        return self._plans[numbers]


def _hints(rule: Rule) -> list[str | None]:
    return [hint_of(path) for path in rule.paths] if isinstance(rule, PathRule) else [rule.hint]


def _where(error: Exception) -> str:
    """Name an error by its kind and place: its message may quote the value."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].name}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} in {place}"
