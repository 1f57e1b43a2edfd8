"""Ask the archive for events with the words, the newest first, and tell where these stand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.cli.faults import CommandError
from headrace.cli.search.snippet import Snippet, cut
from headrace.cli.search.texts import texts_of
from headrace.cli.search.words import NORMAL, Asked

SECONDS: Final = 20
MEMORY: Final = 1 << 30
"""One search takes no more of a server than this, and says so where it is not enough."""
FIRST: Final = 1.5
"""So many events are read for each hit wanted: some came twice, some have the words apart."""
GROWTH: Final = 5
"""So many times as many are read next, where these had not enough."""
WIDEST: Final = 4_000
"""No more are looked through at once: their texts have to fit into the memory."""
MOST: Final = 20_000
"""Events that are read in the end. The server looks for phrases in as many as there are."""
SAID_AGAIN: Final = frozenset({"messages", "errors"})
"""Fields whose texts events of several types repeat."""

# No FINAL, which would read all columns of the key: what came twice is told once here. Columns but
# those of the order and the conditions are read for the rows that are left, and phrases looked for
# in these: to make words of a text costs more than to find it.
_NEWEST: Final = """
SELECT tenant, session, user, epoch, seq, turn, ts, type, data FROM (
    SELECT *, words FROM events_raw
    WHERE {words}
    ORDER BY ts DESC, _part, _part_offset
    LIMIT {rows} OFFSET {skipped}
)
WHERE {phrases}
ORDER BY ts DESC
LIMIT {most}
SETTINGS max_execution_time = {seconds}, max_memory_usage = {memory},
    query_plan_max_limit_for_lazy_materialization = 0
"""
_COUNT: Final = """
SELECT count() AS events FROM events_raw
WHERE {words}
SETTINGS max_execution_time = {seconds}, max_memory_usage = {memory}
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look. None and empty: everywhere."""

    tenant: str | None = None
    session: str | None = None
    user: str | None = None
    types: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    """Seconds since 1970; ``until`` itself is outside."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One text with all that was asked for."""

    tenant: str
    session: str
    user: str
    epoch: str
    seq: int
    turn: int | None
    ts: float
    type: str
    field: str
    snippet: Snippet


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to."""

    hits: list[Hit]
    everything: bool
    """False: there are more events with the words than are read, and hits may be among them."""


class TooMuchError(CommandError):
    """The server had not the time or the memory that one search is given."""


def search(archive: Archive, asked: Asked, scope: Scope, limit: int) -> Found:
    """Find up to ``limit`` hits, the newest first. Raises CommandError where it takes too long."""
    events = _Events(_Query(archive, asked, scope), int(limit * FIRST) + 1)
    hits: list[Hit] = []
    try:
        hits.extend(islice(_once(_hits(events, asked, scope.fields)), limit))
    except TooMuchError:
        if not hits:
            raise
    return Found(hits, everything=len(hits) == limit or events.everything)


class _Events:
    """Events with all words and phrases, the newest first, read as they are asked for."""

    def __init__(self, query: _Query, first: int) -> None:
        self._query = query
        self._first = first
        self.everything = False
        """There are no more."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        read = skipped = 0
        for rows in self._windows():
            events = self._query.newest(rows, skipped, MOST - read)
            yield from events
            read += len(events)
            skipped += rows
            if read >= MOST:
                return
            if read < skipped and not self._query.phrases:
                break
        self.everything = True

    def _windows(self) -> Iterator[int]:
        """Yield how many with the words are looked at, after those that were."""
        # Common words stand together as a phrase more seldom than not.
        begin = [] if self._query.phrases else [self._first]
        begin.append(min(self._first * GROWTH, WIDEST))
        yield from begin
        rows, left = begin[-1], self._query.count() - sum(begin)
        while left > 0:
            rows = left if left <= WIDEST else min(rows * GROWTH, WIDEST)
            yield rows
            left -= rows


class _Query:
    """What is asked of the table, as SQL."""

    def __init__(self, archive: Archive, asked: Asked, scope: Scope) -> None:
        self._archive = archive
        self._until = monotonic() + SECONDS
        self._parameters: dict[str, Any] = {"everything": asked.everything}
        words = [f"hasAllTokens(words, {_normal('everything')})", *self._scope(scope)]
        self._words = "\n    AND ".join(words)
        self.phrases = [self._phrase(*each) for each in enumerate(asked.phrases)]

    def newest(self, rows: int, skipped: int, most: int) -> list[dict[str, Any]]:
        """Return what has the phrases, of the ``rows`` newest with the words behind ``skipped``."""
        phrases = "\n    AND ".join(self.phrases) or "true"
        return self._ask(_NEWEST, rows=rows, skipped=skipped, phrases=phrases, most=most)

    def count(self) -> int:
        """Return how many there are with all words."""
        return int(self._ask(_COUNT)[0]["events"])

    def _ask(self, sql: str, **parts: Any) -> list[dict[str, Any]]:
        left = max(1, math.ceil(self._until - monotonic()))
        filled = sql.format(words=self._words, seconds=left, memory=MEMORY, **parts)
        try:
            return self._archive.rows(filled, self._parameters)
        except CommandError as error:
            text = str(error)
            if "TIMEOUT_EXCEEDED" in text or "MEMORY_LIMIT_EXCEEDED" in text:
                raise TooMuchError(
                    f"too much to look through within {SECONDS} s and {MEMORY >> 30} GiB: add a"
                    " rarer word, --tenant, --session or --since"
                ) from None
            raise

    def _phrase(self, number: int, phrase: str) -> str:
        self._parameters[f"phrase_{number}"] = phrase
        return f"hasPhrase(words, {_normal(f'phrase_{number}')})"

    def _scope(self, scope: Scope) -> Iterator[str]:
        for name in ("tenant", "session", "user"):
            if (value := getattr(scope, name)) is not None:
                yield f"{name} = {{{name}:String}}"
                self._parameters[name] = value
        if scope.types:
            yield "type IN {types:Array(String)}"
            self._parameters["types"] = list(scope.types)
        for name, sign in (("since", ">="), ("until", "<")):
            if (moment := getattr(scope, name)) is not None:
                # By `time`: whole weeks are passed over.
                yield f"time {sign} fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')"
                self._parameters[name] = round(moment * 1_000_000)


def _normal(parameter: str) -> str:
    return NORMAL.format(text=f"{{{parameter}:String}}")


def _hits(rows: Iterable[dict[str, Any]], asked: Asked, fields: tuple[str, ...]) -> Iterator[Hit]:
    """Yield what stands in one text: the index knows of whole events."""
    for row in rows:
        for field, text in texts_of(row["type"], row.pop("data")):
            if (not fields or field in fields) and asked.stands_in(text):
                yield Hit(**row, field=field, snippet=cut(text, asked))


def _once(hits: Iterable[Hit]) -> Iterator[Hit]:
    """Leave out what came twice, and what an event of another type said: an answer, an error."""
    seen = set[Hit]()
    said = dict[tuple[str, ...], str]()
    for hit in hits:
        words = (hit.tenant, hit.session, hit.epoch, hit.field, hit.snippet.text)
        again = hit.field in SAID_AGAIN and said.setdefault(words, hit.type) != hit.type
        if hit not in seen and not again:
            seen.add(hit)
            yield hit
