"""What was sealed becomes rows of ClickHouse, read from the vault.

The vault is the evidence, ClickHouse finds things in it: a ClickHouse that is away holds up no
sealing, and a new one is filled from the vault. Of each log all segments are inserted from the one
on that holds the last leaf that ClickHouse has; again is no harm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import time
from typing import Any, Final

import orjson
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from headrace.events.errors import Poison, Retryable
from headrace.events.settings import ClickHouseSettings
from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.sinks.audit.vault.place import MissingError
from headrace.sinks.audit.vault.seal import Seal, seal_name
from headrace.sinks.audit.vault.vault import Vault
from headrace.sinks.base import Sink
from headrace.sinks.clickhouse_errors import reason_of
from headrace.sinks.connection import connect
from headrace.streams.backoff import Backoff
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

ASK_SECONDS: Final = 20
"""For the index of a log's last row, which is at most a scan of one column."""

LastIndex = Callable[[str], "int | None"]
"""The index of a log's last row, None where there is none. Blocks; raises Retryable."""


class Rows:
    """Runs on one loop."""

    def __init__(
        self,
        vault: Vault,
        sink: Sink,
        last_index: LastIndex,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time,
    ) -> None:
        self._vault = vault
        self._sink = sink
        self._last_index = last_index
        self._metrics = metrics
        self._clock = clock
        self._next: dict[str, int | None] = {}
        """Log to the index where its next segment begins; None: not asked yet."""
        self._news = asyncio.Event()
        self.trouble: str | None = None
        """Why ClickHouse did not take rows when it was asked last; None: it did."""

    def tell(self, name: str) -> None:
        """There is more of a log in the vault than there was, or it was opened."""
        self._next.setdefault(name, None)
        self._news.set()

    def forget(self, names: list[str]) -> None:
        """Leave these logs to another worker."""
        for name in names:
            self._next.pop(name, None)

    async def run(self) -> None:
        """Insert until cancelled. Raises as the vault where it is not what was sealed."""
        backoff = Backoff()
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                for name in list(self._next):
                    await self._catch_up(name)
            except Retryable as error:
                if self.trouble is None:
                    log.warning("evidence is not in ClickHouse yet, trying until it is: %s", error)
                self.trouble = str(error)
                self._news.set()
                await asyncio.sleep(backoff.wait())
            else:
                self.trouble = None
                backoff.reset()

    async def close(self) -> None:
        await self._sink.close()

    async def _catch_up(self, name: str) -> None:
        at = self._next.get(name)
        if at is None:
            at = await asyncio.to_thread(self._begin, name)
        while name in self._next:
            self._next[name] = at
            found = await asyncio.to_thread(self._read, name, at)
            if found is None:
                return
            lines, at = found
            await self._insert(name, lines)

    async def _insert(self, name: str, lines: list[bytes]) -> None:
        def refused(_index: int, poison: Poison) -> None:
            log.error("ClickHouse refused a leaf of %s, which the vault has: %s", name, poison)
            self._metrics.seal_rows.labels("refused").inc()

        if lines:
            landed = await self._sink.write(lines, refused)
            self._metrics.seal_rows.labels("landed").inc(landed)

    def _begin(self, name: str) -> int:
        """Find the segment to begin with."""
        last = self._last_index(name)
        if last is None:
            return 0
        seal = self._vault.seal_at(name, last)
        return seal.first if seal is not None else 0

    def _read(self, name: str, first: int) -> tuple[list[bytes], int] | None:
        """Return a segment's rows and where the next begins; None where it is not sealed yet."""
        try:
            seal = self._vault.seal(seal_name(name, first))
        except MissingError:
            return None
        return rows_of(self._vault, seal, self._clock()), seal.end


def rows_of(vault: Vault, seal: Seal, now: float) -> list[bytes]:
    """Make the rows of a segment's leaves, as far as they have not fallen due. Blocks."""
    made: list[bytes] = []
    for file in seal.classes:
        if file.retain_until is not None and file.retain_until <= now:
            continue
        lines = vault.lines(file) or ()
        made += [_row(line, seal.sealed_at, file.retain_until) for line in lines]
    return made


def last_index(settings: ClickHouseSettings) -> LastIndex:
    """Return what asks ClickHouse."""

    def ask(name: str) -> int | None:
        try:
            client = connect(settings, timeout=ASK_SECONDS)
            try:
                rows = client.query(
                    "SELECT max(`index`), count() FROM audit_raw WHERE log = {log:String}",
                    {"log": name},
                ).result_rows
            finally:
                client.close()
        except (ClickHouseError, OSError, HTTPError) as error:
            raise Retryable(reason_of(error), code=getattr(error, "code", None)) from None
        last, count = rows[0]
        return int(last) if count else None

    return ask


def _row(line: bytes, sealed_at: float, retain_until: float | None) -> bytes:
    clear = leaves.read(line)
    row: dict[str, Any] = {
        "log": clear.log,
        "index": clear.index,
        "offset": clear.offset,
        "kind": clear.kind,
        "tenant": clear.tenant or "",
        "user": clear.user or "",
        "session": clear.session or "",
        "epoch": clear.epoch or "",
        "seq": clear.seq or 0,
        "ts": clear.ts,
        "type": clear.type or "",
        "tool": clear.tool or "",
        "class": clear.audit_class,
        "policy": clear.policy,
        "key": clear.key or "",
        "leaf": line.decode(),
        "hash": leaf_hash(line).hex(),
        "sealed_at": sealed_at,
        "retain_until": retain_until,
    }
    return orjson.dumps(row)
