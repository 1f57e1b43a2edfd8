"""What the archive knows of each epoch. Bitmaps are worked on in SQL: no row an event leaves it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.cli.verify.accounting import EpochId, Found, Told
from headrace.streams.retention.ttl import NUMBERED

# A small bitmap is a set without order, hence the sort. The holes are computed from what is
# there, not from 1 to the highest: a hostile seq of 10^18 must not build an array of that length.
_EPOCHS: Final = """
WITH arraySort(bitmapToArray(bits)) AS there
SELECT tenant, session, epoch, bitmapCardinality(bits) AS archived, highest, end_seq, begun, heard,
    if(archived = highest, [], arrayFilter(hole -> hole.1 <= hole.2, arrayMap(
        (number, before) -> (before + 1, toUInt64(number - 1)),
        there,
        arrayPopBack(arrayPushFront(there, 0))
    ))) AS holes
FROM
(
    SELECT tenant, session, epoch, groupBitmapMergeState(archived) AS bits,
        max(last_seq) AS highest, max(end_seq) AS end_seq,
        min(first_ts) AS begun, max(last_ts) AS heard
    FROM epochs_ledger
    WHERE {conditions}
    GROUP BY tenant, session, epoch
)
"""

_TOLD: Final = """
SELECT tenant, session, epoch, first_seq, last_seq, count, reason
FROM dropped_ledger FINAL
WHERE {conditions}
"""

_END: Final = """
SELECT dropped FROM ends_ledger FINAL
WHERE tenant = {tenant:String} AND session = {session:String} AND epoch = {epoch:String}
    AND seq = {seq:UInt64}
"""

_THERE: Final = """
SELECT tenant, session, epoch, uniqExact(seq) AS there
FROM {rows}
WHERE {conditions}
GROUP BY tenant, session, epoch
"""

_TABLES: Final = """
SELECT name FROM system.tables
WHERE database = currentDatabase() AND name IN {names:Array(String)}
"""

_SHORTEST: Final = """
SELECT min(shortest) FROM retention_ledger FINAL WHERE name IN {names:Array(String)}
HAVING count() > 0
"""

# Records of logs are numbered as events are.
_BOTH: Final = """(
    SELECT tenant, session, epoch, seq FROM events_raw FINAL
    UNION ALL
    SELECT tenant, session, epoch, seq FROM logs_raw FINAL
)"""

_CORRUPT: Final = f"""
SELECT tenant, session, epoch, seq, count() AS variants
FROM {_BOTH}
WHERE {{conditions}} AND (tenant, session, epoch) IN
(
    SELECT tenant, session, epoch FROM {_BOTH}
    WHERE {{conditions}}
    GROUP BY tenant, session, epoch
    HAVING count() > groupBitmap(seq)
)
GROUP BY tenant, session, epoch, seq
HAVING variants > 1
ORDER BY tenant, session, epoch, seq
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """What to verify: everything, a tenant, a session."""

    tenant: str | None = None
    session: str | None = None

    def covers(self, epoch: EpochId) -> bool:
        return self.tenant in {None, epoch.tenant} and self.session in {None, epoch.session}

    def filled(self, query: str) -> tuple[str, dict[str, Any]]:
        """Return a query with its conditions, and the parameters that they bind."""
        chosen = {"tenant": self.tenant, "session": self.session}
        parameters = {name: value for name, value in chosen.items() if value is not None}
        conditions = [f"{name} = {{{name}:String}}" for name in parameters] or ["1"]
        return query.replace("{conditions}", " AND ".join(conditions)), parameters


@dataclass(frozen=True, slots=True)
class Corruption:
    """Different events under one identity."""

    id: EpochId
    seq: int
    variants: int


def read_epochs(archive: Archive, scope: Scope) -> Iterator[Found]:
    """Yield what the archive has of each epoch, with the drops that its stream tells of."""
    told = read_told(archive, scope)
    kept = _shortest(archive)
    known = list(archive.stream(*scope.filled(_EPOCHS)))
    # After the ledger: a row that comes meanwhile must not look as if it had gone.
    there = _there(archive, scope)
    for tenant, session, epoch, archived, highest, end, begun, heard, holes in known:
        epoch_id = EpochId(tenant, session, epoch)
        yield Found(
            id=epoch_id,
            archived=archived,
            highest=highest,
            holes=tuple(tuple(hole) for hole in holes),
            last_ts=heard,
            gone=max(0, archived - there.get(epoch_id, 0)),
            may_expire=None if kept is None else begun + kept,
            end=end or None,
            told=tuple(told.get(epoch_id, ())),
        )


def _there(archive: Archive, scope: Scope) -> dict[EpochId, int]:
    """Count the numbers that are still there, by epoch."""
    found: dict[EpochId, int] = {}
    for (table,) in archive.stream(_TABLES, {"names": list(NUMBERED)}):
        query, bound = scope.filled(_THERE.replace("{rows}", table))
        for tenant, session, epoch, there in archive.stream(query, bound):
            key = EpochId(tenant, session, epoch)
            found[key] = found.get(key, 0) + there
    return found


def _shortest(archive: Archive) -> int | None:
    """Return the seconds that retention ever left a row at least, None where it took none."""
    for (shortest,) in archive.stream(_SHORTEST, {"names": list(NUMBERED)}):
        return int(shortest)
    return None


def with_end_totals(archive: Archive, found: Found) -> Found:
    """Add what the end marker says was dropped, where the archive has or had the marker."""
    parameters = {**found.id._asdict(), "seq": found.end or 0}
    dropped: dict[str, int] = {}
    for (said,) in archive.stream(_END, parameters):
        dropped.update({reason: count for reason, count in said.items() if count > 0})
    return replace(found, end_dropped={**found.end_dropped, **dropped})


def read_corruption(archive: Archive, scope: Scope) -> list[Corruption]:
    """Find identities that hold more than one event."""
    return [
        Corruption(EpochId(tenant, session, epoch), seq, variants)
        for tenant, session, epoch, seq, variants in archive.stream(*scope.filled(_CORRUPT))
    ]


def read_told(archive: Archive, scope: Scope) -> dict[EpochId, list[Told]]:
    """Return what the streams in scope tell of their drops."""
    told: defaultdict[EpochId, list[Told]] = defaultdict(list)
    for tenant, session, epoch, first, last, count, reason in archive.stream(*scope.filled(_TOLD)):
        told[EpochId(tenant, session, epoch)].append(Told(max(first, 1), last, count, reason))
    return dict(told)
