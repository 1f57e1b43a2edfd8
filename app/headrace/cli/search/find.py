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
"""No more are read at once: their texts have to fit into the memory."""
MOST: Final = 20_000
"""Events that are read in the end."""
SAID_AGAIN: Final = frozenset({"messages", "errors"})
"""Fields whose texts events of several types repeat."""

# No FINAL, which would read all columns of the key: what came twice is told once here. Columns but
# those of the order and the conditions are read for the rows that are left.
_NEWEST: Final = """
SELECT tenant, session, user, epoch, seq, turn, ts, type, data FROM events_raw
WHERE {conditions}
ORDER BY ts DESC, _part, _part_offset
LIMIT {rows} OFFSET {skipped}
SETTINGS max_execution_time = {seconds}, max_memory_usage = {memory},
    query_plan_max_limit_for_lazy_materialization = 0
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
        read, rows = 0, self._first
        while read < MOST:
            rows = min(rows, WIDEST, MOST - read)
            events = self._query.newest(rows, read)
            yield from events
            if len(events) < rows:
                self.everything = True
                return
            read += rows
            rows *= GROWTH


class _Query:
    """What is asked of the table, as SQL."""

    def __init__(self, archive: Archive, asked: Asked, scope: Scope) -> None:
        self._archive = archive
        self._until = monotonic() + SECONDS
        self._parameters: dict[str, Any] = {"everything": asked.everything}
        # The index knows of words: a phrase is looked for in what has all of them.
        conditions = [f"hasAllTokens(words, {_normal('everything')})", *self._scope(scope)]
        conditions += [self._phrase(*each) for each in enumerate(asked.phrases)]
        self._conditions = "\n    AND ".join(conditions)

    def newest(self, rows: int, skipped: int) -> list[dict[str, Any]]:
        """Return the ``rows`` newest behind ``skipped``."""
        left = max(1, math.ceil(self._until - monotonic()))
        sql = _NEWEST.format(
            conditions=self._conditions, rows=rows, skipped=skipped, seconds=left, memory=MEMORY
        )
        try:
            return self._archive.rows(sql, self._parameters)
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
