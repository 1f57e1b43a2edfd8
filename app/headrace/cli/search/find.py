"""Ask the archive for texts with the words, the newest first, none twice."""

from __future__ import annotations

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
SAID_AGAIN: Final = frozenset({"messages", "errors"})
"""Fields whose texts several events of a turn repeat."""
MOST_ROWS: Final = 100_000
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
    rows = min(MOST_ROWS, limit * COPIES)
    while True:
        found = _rows(archive, asked, scope, rows)
        hits = _once([_hit(row, asked) for row in found])
        if len(hits) >= limit or len(found) < rows or rows == MOST_ROWS:
            return hits[:limit]
        rows = min(MOST_ROWS, rows * COPIES)


def behind(archive: Archive) -> int:
    """Return the number of events that should be in the index by now and are not."""
    return int(archive.rows(_BEHIND, {"older": BEHIND_MS})[0]["events"])


def _rows(archive: Archive, asked: Asked, scope: Scope, rows: int) -> list[dict[str, Any]]:
    conditions, parameters = _conditions(asked, scope)
    query = _HITS.format(
        conditions="\n    AND ".join(conditions),
        before=_BEFORE,
        around=_AROUND,
        seconds=SECONDS,
        memory=MEMORY,
    )
    near = (*asked.phrases, *asked.words)[0]
    try:
        return archive.rows(query, {**parameters, "near": near, "rows": rows})
    except CommandError as error:
        text = str(error)
        if "TIMEOUT_EXCEEDED" in text or "MEMORY_LIMIT_EXCEEDED" in text:
            raise CommandError(
                f"too much to look through within {SECONDS} s and {MEMORY >> 30} GiB: add a rarer"
                " word, --tenant, --session or --since"
            ) from None
        raise


def _conditions(asked: Asked, scope: Scope) -> tuple[list[str], dict[str, Any]]:
    conditions = ["tenant != ''", f"hasAllTokens(words, {_normal('everything')})"]
    parameters: dict[str, Any] = {"everything": asked.everything}
    for number, phrase in enumerate(asked.phrases):
        conditions.append(f"hasPhrase(words, {_normal(f'phrase_{number}')})")
        parameters[f"phrase_{number}"] = phrase
    for name in ("tenant", "session", "user"):
        if (value := getattr(scope, name)) is not None:
            conditions.append(f"{name} = {{{name}:String}}")
            parameters[name] = value
    for column, values in (("type", scope.types), ("field", scope.fields)):
        if values:
            conditions.append(f"{column} IN {{{column}:Array(String)}}")
            parameters[column] = list(values)
    for name, sign in (("since", ">="), ("until", "<")):
        if (moment := getattr(scope, name)) is not None:
            # By `time`: whole weeks are passed over.
            micros = f"fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')"
            conditions.append(f"time {sign} {micros}")
            parameters[name] = round(moment * 1_000_000)
    return conditions, parameters


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
