"""Ask the archive for texts with the words, the newest first, none twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.cli.faults import CommandError
from headrace.cli.search.snippet import Snippet, cut
from headrace.cli.search.words import NORMAL, Asked

SECONDS: Final = 20
MEMORY: Final = 1 << 30
"""One search takes no more of a server than this, and says so where it is not enough."""
COPIES: Final = 4
"""Rows fetched for each that is wanted: the same text may stand in several events, or twice."""
CANDIDATES: Final = 200
"""Texts with all words that are read at first, the newest, to see whether a phrase is in them."""
MORE: Final = 8
"""So many times as many are read next, where those were not enough."""
SAID_AGAIN: Final = frozenset({"messages", "errors"})
"""Fields whose texts several events of a turn repeat."""
BEHIND_MS: Final = 30_000
"""An index that has not seen what is older is worth a word."""

# A text may have megabytes: what is around the hit comes back. The order needs one narrow column,
# the others are read for the rows that are left (which is how ClickHouse plans it).
_HITS: Final = """
SELECT tenant, session, user, epoch, seq, last_seq, turn, ts, type, field,
    substringUTF8(text, greatest(1,
        toInt64(positionCaseInsensitiveUTF8(text, {{near:String}})) - {before}), {around}) AS part
FROM texts
WHERE {conditions}
ORDER BY ts DESC
LIMIT {{rows:UInt64}}
SETTINGS max_execution_time = {seconds}, max_memory_usage = {memory}
"""
# The index alone answers it: no text is read.
_CANDIDATE: Final = """
SELECT ts FROM texts
WHERE {conditions}
ORDER BY ts DESC
LIMIT 1 OFFSET {{among:UInt64}}
SETTINGS max_execution_time = {seconds}, max_memory_usage = {memory}
"""
_BEHIND: Final = """
WITH ifNull((SELECT max(seq) FROM texts WHERE tenant = '' AND session = '' AND epoch = ''), 0)
    AS done_ms
SELECT sum(events) AS events FROM texts_work
WHERE at_ms + 60000 > done_ms AND at_ms + {older:UInt64} < toUnixTimestamp64Milli(now64(3))
    AND mark NOT IN (
        SELECT fingerprint FROM texts
        WHERE tenant = '' AND session = '' AND epoch = '' AND seq + 60000 > done_ms
    )
"""
_BEFORE: Final = 1_000
_AROUND: Final = 4_000


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
    last_seq: int
    turn: int | None
    ts: float
    type: str
    field: str
    snippet: Snippet


def search(archive: Archive, asked: Asked, scope: Scope, limit: int) -> list[Hit]:
    """Return up to ``limit`` hits, the newest first. Raises CommandError, after 20 s at most."""
    query = _Query(archive, asked, scope)
    rows, among = limit * COPIES, max(CANDIDATES, limit * COPIES)
    while True:
        oldest = query.oldest(among) if asked.phrases else None
        found = query.rows(rows, oldest)
        hits = _once([_hit(row, asked) for row in found])
        if len(hits) >= limit or (len(found) < rows and oldest is None):
            return hits[:limit]
        rows, among = rows * COPIES, among * MORE


def behind(archive: Archive, older_ms: int = BEHIND_MS) -> int:
    """Return the number of events that were archived so long ago and are not in the index."""
    return int(archive.rows(_BEHIND, {"older": older_ms})[0]["events"])


class _Query:
    """What is asked of the table, as SQL."""

    def __init__(self, archive: Archive, asked: Asked, scope: Scope) -> None:
        self._archive = archive
        self._near = (*asked.phrases, *asked.words)[0]
        self._parameters: dict[str, Any] = {"everything": asked.everything}
        self._indexed = ["tenant != ''", f"hasAllTokens(words, {_normal('everything')})"]
        self._indexed += self._scope(scope)
        self._exact = [self._phrase(*each) for each in enumerate(asked.phrases)]

    def oldest(self, among: int) -> float | None:
        """Return the time of the ``among``-th newest text with all words; None: there are fewer."""
        found = self._ask(_CANDIDATE, self._indexed, {"among": among})
        return found[0]["ts"] if found else None

    def rows(self, rows: int, oldest: float | None) -> list[dict[str, Any]]:
        """Return the newest rows, none older than ``oldest``."""
        conditions = [*self._indexed, *self._exact]
        if oldest is not None:
            conditions.append("ts >= {oldest:Float64}")
        more = {"near": self._near, "rows": rows, "oldest": oldest}
        return self._ask(_HITS, conditions, more)

    def _ask(self, query: str, conditions: list[str], more: dict[str, Any]) -> list[dict[str, Any]]:
        sql = query.format(
            conditions="\n    AND ".join(conditions),
            before=_BEFORE,
            around=_AROUND,
            seconds=SECONDS,
            memory=MEMORY,
        )
        given = {name: value for name, value in more.items() if value is not None}
        try:
            return self._archive.rows(sql, self._parameters | given)
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
        for name, values in (("type", scope.types), ("field", scope.fields)):
            if values:
                yield f"{name} IN {{{name}:Array(String)}}"
                self._parameters[name] = list(values)
        for name, sign in (("since", ">="), ("until", "<")):
            if (moment := getattr(scope, name)) is not None:
                # By `time`: whole weeks are passed over.
                yield f"time {sign} fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')"
                self._parameters[name] = round(moment * 1_000_000)


def _normal(parameter: str) -> str:
    return NORMAL.format(text=f"{{{parameter}:String}}")


def _hit(row: dict[str, Any], asked: Asked) -> Hit:
    snippet = cut(row.pop("part"), asked)
    return Hit(**row, snippet=snippet)


def _once(hits: list[Hit]) -> list[Hit]:
    """Leave out what was said already: an answer stands in its pieces and at its turn's end.

    Joined pieces, too, of which there are more by now, and rows that are not merged yet.
    """
    seen = set[tuple[Any, ...]]()
    kept = []
    for hit in hits:
        said = (hit.tenant, hit.session, hit.epoch, hit.turn, hit.field, hit.snippet.text)
        place = (hit.tenant, hit.session, hit.epoch, hit.type, hit.field, hit.seq)
        if place in seen or (hit.field in SAID_AGAIN and said in seen):
            continue
        seen |= {said, place}
        kept.append(hit)
    return kept
