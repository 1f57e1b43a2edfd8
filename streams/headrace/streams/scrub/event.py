"""One event while it is scrubbed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import orjson

from headrace.streams.scrub.marks import Marks
from headrace.streams.scrub.paths import KEPT, Paths, Selected
from headrace.streams.scrub.rule import PathRule, Rule, TextRule, Texts
from headrace.streams.scrub.tokens import QUOTE, Member, UnreadableError, text_of

NAMED: Final = KEPT | {b"user", b"agent", b"trace", b"data"}
"""The keys of the envelope stand as they are."""
_WORTH: Final = frozenset(b'"-0123456789')
"""What texts and numbers begin with."""
_SAYS_NOTHING: Final = frozenset({b"", b"null"})

Hidden = Callable[[bytes], Collection[int]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules that apply to a tenant."""

    rules: Sequence[Rule]
    """All of the file, by number."""
    numbers: frozenset[int]
    """Those that apply."""
    paths: Paths

    def texts(self, numbers: Collection[int]) -> list[tuple[int, TextRule]]:
        """Those of some rules that apply and look into texts, in order."""
        chosen = ((n, self.rules[n]) for n in sorted(self.numbers.intersection(numbers)))
        return [(n, rule) for n, rule in chosen if isinstance(rule, TextRule)]


class Hit(NamedTuple):
    """Something that was rewritten."""

    rule: str
    secret: bytes
    mark: bytes


@dataclass(slots=True)
class Tally:
    """What was found."""

    hits: Counter[str] = field(default_factory=Counter)
    """By rule."""
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By rule and field: where a rule found something in what is never rewritten."""
    samples: list[Hit] | None = None
    """All of it, where it is wanted."""

    def add(self, other: Tally) -> None:
        # Counter's own addition looks at every count that it has.
        for rule, count in other.hits.items():
            self.hits[rule] += count
        for place, count in other.kept.items():
            self.kept[place] += count

    def hit(self, rule: str, secret: bytes, mark: bytes) -> None:
        self.hits[rule] += 1
        if self.samples is not None:
            self.samples.append(Hit(rule, secret, mark))


class Event:
    """The tokens of one event, which :meth:`scrub` changes."""

    def __init__(
        self, tokens: list[bytes], parts: Sequence[Member], marks: Marks, tally: Tally
    ) -> None:
        """Make it. Raises :class:`UnreadableError` where it has two identities."""
        self._tokens = tokens
        self._parts = [(text_of(tokens[part.key]), part) for part in parts]
        self._marks = marks
        self._tally = tally
        named = [name for name, _ in self._parts if name in NAMED]
        if len(named) != len(set(named)):
            raise UnreadableError("a field of the envelope is given twice")
        self.tenant = self._tenant()

    def scrub(self, plan: Plan, numbers: Collection[int], hidden: Hidden | None = None) -> None:
        """Scrub by some of the plan's rules; by all paths where one of them is among these.

        ``hidden`` tells which rules a text calls for that is written with escapes.
        """
        with_paths = hidden is not None or any(
            isinstance(plan.rules[number], PathRule) for number in numbers
        )
        kept: dict[int, str] = {}
        places: list[int] = []
        for name, part in self._parts:
            if name in KEPT and part.first == part.last:
                kept[part.first] = name.decode()
                places.append(part.first)
                continue
            if name not in NAMED:
                places.append(part.key)
            at = part.first
            for chosen in plan.paths.select(self._tokens, part) if with_paths else ():
                places += range(at, chosen.first)
                if not self._replace(chosen, plan):
                    places += range(chosen.first, chosen.last + 1)
                at = chosen.last + 1
            places += range(at, part.last + 1)
        self._rewrite(places, kept, plan.texts(numbers))
        if hidden is not None:
            for at in places:
                token = self._tokens[at]
                if b"\\" in token:
                    rules = hidden(orjson.dumps(text_of(token).decode()))
                    self._rewrite([at], kept, plan.texts(set(rules).difference(numbers)))

    def _tenant(self) -> str | None:
        for name, part in self._parts:
            token = self._tokens[part.first]
            if name == b"tenant" and token[0] == QUOTE:
                return text_of(token).decode()
        return None

    def _replace(self, chosen: Selected, plan: Plan) -> bool:
        """Put a mark in the place of what a path leads to; False where its texts must do."""
        single = chosen.first == chosen.last
        whole = b"".join(self._tokens[chosen.first : chosen.last + 1])
        text = text_of(whole) if single else whole
        if text in _SAYS_NOTHING or self._is_mark(text):
            return True
        for rule in (plan.rules[number] for number in chosen.rules):
            if single and rule.allows(text):
                continue
            # The end of an object may say anything.
            action = rule.action if single or rule.action != "mask" else "redact"
            mark = self._marks.mark(action, rule.name, self.tenant or "", text)
            self._tally.hit(rule.name, text, mark)
            for at in range(chosen.first, chosen.last + 1):
                self._tokens[at] = b""
            self._tokens[chosen.first] = orjson.dumps(mark.decode())
            return True
        return False

    def _rewrite(
        self, places: list[int], kept: Mapping[int, str], rules: Sequence[tuple[int, TextRule]]
    ) -> None:
        """Put marks into texts and numbers; into a field that is kept none, but count it."""
        if not rules:
            return
        wanted = [at for at in places if self._tokens[at][0] in _WORTH]
        texts = Texts([text_of(self._tokens[at]) for at in wanted])
        found: dict[int, list[tuple[int, int, int]]] = {}
        for number, rule in rules:
            for which, start, end in rule.find_in(texts):
                if not self._is_mark(texts.texts[which][start:end]):
                    found.setdefault(which, []).append((start, number, end))
        by_number = dict(rules)
        for which, spans in found.items():
            at, text = wanted[which], texts.texts[which]
            if at in kept:
                self._tally.kept.update((by_number[n].name, kept[at]) for _, n, _ in spans)
            else:
                self._tokens[at] = orjson.dumps(self._marked(text, spans, by_number).decode())

    def _marked(
        self, text: bytes, spans: list[tuple[int, int, int]], rules: Mapping[int, TextRule]
    ) -> bytes:
        pieces, done = [], 0
        for start, number, end in _apart(spans):
            rule, secret = rules[number], text[start:end]
            mark = self._marks.mark(rule.action, rule.name, self.tenant or "", secret)
            self._tally.hit(rule.name, secret, mark)
            pieces += [text[done:start], mark]
            done = end
        return b"".join((*pieces, text[done:]))

    def _is_mark(self, text: bytes) -> bool:
        return self._marks.is_mark(self.tenant or "", text)


def _apart(spans: list[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Yield (start, number, end) in order; what overlaps as one, by the first rule of its start."""
    spans.sort()
    at = 0
    while at < len(spans):
        start, number, end = spans[at]
        at += 1
        while at < len(spans) and spans[at][0] < end:
            end = max(end, spans[at][2])
            at += 1
        yield start, number, end
