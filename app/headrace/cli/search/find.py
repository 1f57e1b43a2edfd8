"""Ask the archive for events with the words, the newest first, and tell where these stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.cli.faults import CommandError
from headrace.cli.search.snippet import Snippet, cut
from headrace.cli.search.texts import texts_of
from headrace.cli.search.words import NORMAL, Asked

SECONDS: Final = 20
MEMORY: Final = 1 << 30
"""One search takes no more of a server than this, and says so where it is not enough."""
ROUNDS: Final = ((1.5, False), (6, False), (50, True), (1_000, True))
"""How many events are read for each hit that is wanted: some came twice, some have the words apart.

True: by then the server reads all that have the words, and says which have the phrases."""
MOST: Final = 20_000
"""Events that are read in the end."""
SAID_AGAIN: Final = frozenset({"messages", "errors"})
"""Fields whose texts events of several types repeat."""

# No FINAL, which would read all columns of the key: what came twice is told once here. Columns but
# those of the order and the conditions are read for the rows that are left.
_EVENTS: Final = """
SELECT tenant, session, user, epoch, seq, turn, ts, type, data FROM events_raw
WHERE {conditions}
ORDER BY ts DESC
LIMIT {{rows:UInt64}}
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


def search(archive: Archive, asked: Asked, scope: Scope, limit: int) -> Found:
    """Find up to ``limit`` hits, the newest first. Raises CommandError where it takes too long."""
    query = _Query(archive, asked, scope)
    hits: list[Hit] = []
    for many, exact in ROUNDS:
        rows = min(MOST, int(limit * many) + 1)
        found = query.rows(rows, exact=exact)
        hits = list(_once(_hits(found, asked, scope.fields)))
        if len(hits) >= limit or len(found) < rows:
            return Found(hits[:limit], everything=True)
        if rows == MOST and exact:
            break
    return Found(hits, everything=False)


class _Query:
    """What is asked of the table, as SQL."""

    def __init__(self, archive: Archive, asked: Asked, scope: Scope) -> None:
        self._archive = archive
        self._parameters: dict[str, Any] = {"everything": asked.everything}
        self._indexed = [f"hasAllTokens(words, {_normal('everything')})", *self._scope(scope)]
        self._exact = [self._phrase(*each) for each in enumerate(asked.phrases)]

    def rows(self, rows: int, *, exact: bool) -> list[dict[str, Any]]:
        """Return the newest events with all words; ``exact``: and with the phrases."""
        sql = _EVENTS.format(
            conditions="\n    AND ".join([*self._indexed, *(self._exact if exact else ())]),
            seconds=SECONDS,
            memory=MEMORY,
        )
        try:
            return self._archive.rows(sql, self._parameters | {"rows": rows})
        except CommandError as error:
            text = str(error)
            if "TIMEOUT_EXCEEDED" in text or "MEMORY_LIMIT_EXCEEDED" in text:
                raise CommandError(
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


def _hits(rows: list[dict[str, Any]], asked: Asked, fields: tuple[str, ...]) -> Iterator[Hit]:
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
