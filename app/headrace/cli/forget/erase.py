"""Removing a person's rows: counted, rewritten, and waited for until the old parts are gone.

A lightweight DELETE would leave the bytes. The mutation's text, which ClickHouse keeps, has marks
in it and no name. All of it may be done again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.cli.faults import CommandError
from headrace.cli.forget import find
from headrace.cli.forget.marks import is_session, is_user, mark_of
from headrace.cli.forget.stores import PERSONAL
from headrace.cli.verify import ranges
from headrace.events import types
from headrace.streams.erasure import ledger
from headrace.streams.erasure.order import Order
from headrace.streams.heads import data_of

GONE_WITHIN_S: Final = 900.0
"""A server keeps an old part for eight minutes unless it is told otherwise, as it is here."""
POLL_S: Final = 0.2
KEEP_OLD_PARTS_S: Final = 1
LINES: Final = 20_000
"""Of the ledger, written at once."""

# As `headrace verify` reads it; sessions that are the person's alone.
_EPOCHS: Final = """
WITH arraySort(bitmapToArray(bits)) AS there
SELECT mark, epoch, highest, end_seq, heard,
    if(bitmapCardinality(bits) = highest, [], arrayFilter(hole -> hole.1 <= hole.2, arrayMap(
        (number, before) -> (before + 1, toUInt64(number - 1)),
        there,
        arrayPopBack(arrayPushFront(there, 0))
    ))) AS holes
FROM
(
    SELECT {mark} AS mark, epoch, groupBitmapMergeState(archived) AS bits,
        max(last_seq) AS highest, max(end_seq) AS end_seq, max(last_ts) AS heard
    FROM epochs_ledger
    WHERE tenant = {{tenant:String}} AND {own}
    GROUP BY mark, epoch
)
"""
_ENDS: Final = """
SELECT {mark} AS mark, epoch, seq, ts, data FROM {personal}
WHERE tenant = {{tenant:String}} AND type = '{end}' AND ({user} OR {own})
"""
_IN_SHARED: Final = """
SELECT {mark} AS mark, epoch, bitmapToArray(groupBitmapState(seq)) AS seqs, max(ts) AS heard
FROM {personal}
WHERE tenant = {{tenant:String}} AND {user} AND NOT {own}
GROUP BY mark, epoch
"""
_DROPS: Final = """
INSERT INTO dropped_ledger (tenant, session, epoch, seq, reason, first_seq, last_seq, count, ts)
SELECT tenant, {mark}, epoch, seq, if(match(reason, '^[a-z_]{{1,40}}$'), reason, 'other'),
    first_seq, last_seq, count, ts
FROM dropped_ledger FINAL
WHERE tenant = {{tenant:String}} AND {own}
"""


def erase(archive: Archive, order: Order, cluster: str | None, say: Callable[[str], None]) -> None:
    """Remove what an order covers; return when the bytes are gone from the server's parts.

    Raises CommandError where it takes too long: it may be gone on with.
    """
    on = f"ON CLUSTER `{cluster}`" if cluster else ""
    say("counting what goes")
    keep_account(archive, order)
    old = _OldParts(archive, cluster, on)
    with contextlib.ExitStack() as stack:
        for table, condition in find.conditions(order).items():
            say(f"rewriting {table}")
            stack.enter_context(_short_lived_parts(archive, table, on))
            # Waits for every replica. Not an ON CLUSTER: replicas tell each other of mutations.
            archive.command(
                f"ALTER TABLE {table} DELETE WHERE {condition}",
                {"tenant": order.tenant},
                {"mutations_sync": 2},
            )
            # Those that are replaced from now on hold nothing of the person.
            old.see(table)
        old.wait(say)


def keep_account(archive: Archive, order: Order) -> None:
    """Write the numbers of what goes to the ledgers, under marks."""
    tenant = {"tenant": order.tenant}
    parts = {
        "mark": mark_of(order, "session", "session"),
        "own": is_session(order, order.sessions),
        "user": is_user(order),
        "end": types.EPOCH_END,
        "personal": PERSONAL,
    }
    lines: list[bytes] = []
    for line in _lines(archive, order, parts):
        lines.append(line)
        if len(lines) >= LINES:
            archive.insert("erased_ledger", lines)
            lines = []
    archive.insert("erased_ledger", lines)
    archive.command(_DROPS.format(**parts), tenant)


def _lines(archive: Archive, order: Order, parts: dict[str, str]) -> Iterator[bytes]:
    tenant = {"tenant": order.tenant}
    for mark, epoch, highest, end, heard, holes in archive.stream(_EPOCHS.format(**parts), tenant):
        gaps = ranges.normalize(tuple(hole) for hole in holes)
        for span in ranges.subtract(((1, highest),), gaps):
            yield ledger.erased(order, mark, epoch, span, heard, end=end)
    for mark, epoch, seqs, heard in archive.stream(_IN_SHARED.format(**parts), tenant):
        for span in ledger.spans(seqs):
            yield ledger.erased(order, mark, epoch, span, heard)
    for mark, epoch, seq, ts, data in archive.stream(_ENDS.format(**parts), tenant):
        # As ClickHouse keeps it: whatever an agent said there, this must go on.
        said = data_of(b'{"data":%b}' % data.encode("utf-8", "surrogatepass"))
        dropped = ledger.counts(said.get("dropped"))
        yield ledger.erased(order, mark, epoch, (seq, seq), ts, end=seq, dropped=dropped)


@contextlib.contextmanager
def _short_lived_parts(archive: Archive, table: str, on: str) -> Iterator[None]:
    """Let the server remove replaced parts soon; put the setting back as it was."""
    before = _own_setting(archive, table)
    name = "old_parts_lifetime"
    archive.command(f"ALTER TABLE {table} {on} MODIFY SETTING {name} = {KEEP_OLD_PARTS_S}")
    try:
        yield
    finally:
        back = f"RESET SETTING {name}" if before is None else f"MODIFY SETTING {name} = {before}"
        archive.command(f"ALTER TABLE {table} {on} {back}")


def _own_setting(archive: Archive, table: str) -> int | None:
    found = archive.rows(
        "SELECT extract(engine_full, 'old_parts_lifetime = ([0-9]+)') AS value FROM system.tables"
        " WHERE database = currentDatabase() AND name = {table:String}",
        {"table": table},
    )
    value = str(found[0]["value"])
    # What a killed run has left behind is not to be put back.
    return int(value) if value and int(value) != KEEP_OLD_PARTS_S else None


class _OldParts:
    """Replaced parts that are still on the server's disk."""

    def __init__(self, archive: Archive, cluster: str | None, on: str) -> None:
        parts = f"clusterAllReplicas('{cluster}', system.parts)" if cluster else "system.parts"
        self._query = (
            f"SELECT hostName() AS host, table, name FROM {parts}"
            " WHERE database = currentDatabase() AND table IN {tables:Array(String)} AND NOT active"
        )
        self._archive = archive
        self._on = on
        self._waiting = set[tuple[Any, ...]]()

    def see(self, table: str) -> None:
        """Take in those that a table has now."""
        self._waiting |= self._there([table])

    def wait(self, say: Callable[[str], None]) -> None:
        """Return once all that were seen are gone. Raises CommandError."""
        deadline = time.monotonic() + GONE_WITHIN_S
        while tables := self._look():
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{len(self._waiting)} replaced parts of {', '.join(tables)} are still on"
                    " ClickHouse's disk: run the same command again to go on"
                )
            say(f"waiting until {len(self._waiting)} replaced parts are gone")
            # The cleanup looks now, not within half a minute, on servers that know how.
            for table in tables:
                with contextlib.suppress(CommandError):
                    self._archive.command(f"SYSTEM START CLEANUP {self._on} {table}")
            time.sleep(POLL_S)

    def _look(self) -> list[str]:
        """Return the tables that still have some."""
        self._waiting &= self._there(sorted({table for _, table, _ in self._waiting}))
        return sorted({table for _, table, _ in self._waiting})

    def _there(self, tables: list[str]) -> set[tuple[Any, ...]]:
        rows = self._archive.rows(self._query, {"tables": tables})
        return {(row["host"], row["table"], row["name"]) for row in rows}
