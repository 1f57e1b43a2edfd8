"""The archive's sink: the bytes of records go to ClickHouse as they are.

One HTTP request carries a batch as JSONEachRow. Nothing is decoded unless the server refuses the
batch or a value might hold more than one row.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, cast

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from headrace.events.errors import Poison, Retryable
from headrace.events.settings import ClickHouseSettings
from headrace.sinks.base import Refused, Values
from headrace.sinks.clickhouse_errors import MEMORY_LIMIT_EXCEEDED, classify, reason_of
from headrace.sinks.connection import connect, database_of
from headrace.sinks.isolate import isolate
from headrace.sinks.lines import faults
from headrace.sinks.tables import EVENTS, Table

INSERT_SECONDS: Final = 120
"""A big insert takes well under a second; a server busy with merges is given two minutes."""

PARALLEL: Final = 2
"""Inserts at once: one is on its way or being acknowledged while the server works on the other."""

PING_SECONDS: Final = 5

PIECE: Final = 1024
"""Lines sent at once: half a megabyte of a usual mix."""

INSERT_SETTINGS: Final = {
    # The envelope may grow, and older archives carry keys of their own.
    "input_format_skip_unknown_fields": 1,
    "input_format_json_read_objects_as_strings": 1,
    # A tenant of 5 or true is a fault of its producer, not "5" or "true".
    "input_format_json_read_numbers_as_strings": 0,
    "input_format_json_read_bools_as_strings": 0,
    "input_format_json_read_bools_as_numbers": 0,
    "input_format_json_read_arrays_as_strings": 0,
    "input_format_null_as_default": 1,
    "input_format_allow_errors_num": 0,
    # A backfill may span years: one part a week, however many.
    "max_partitions_per_insert_block": 0,
    # An identical block sent again must reach the ledger, which its first attempt may have missed.
    "insert_deduplicate": 0,
    "async_insert": 0,
    # What is searched is indexed when parts merge: nobody waits for that to be acknowledged.
    "exclude_materialize_skip_indexes_on_insert": "by_words",
    # Batches are small enough for one core, and the other ones belong to the merges.
    "input_format_parallel_parsing": 0,
}

_TYPED: Final = {
    "input_format_json_read_numbers_as_strings": 1,
    "input_format_json_read_bools_as_strings": 1,
    "input_format_json_read_arrays_as_strings": 1,
}


class ClickHouseSink:
    """Inserts batches into one table, up to :data:`PARALLEL` at once.

    ``write`` runs the request on a thread and gives up on the server after ``insert_seconds``.
    Connects on first use and again after each failure. For the tasks of one loop.
    """

    def __init__(
        self,
        settings: ClickHouseSettings,
        table: Table = EVENTS,
        *,
        insert_seconds: int = INSERT_SECONDS,
    ) -> None:
        self._settings = settings
        self._table = table
        self._name = f"{database_of(settings)}.{table.name}"
        self._insert_seconds = insert_seconds
        self._idle: deque[Client] = deque()
        self._threads = ThreadPoolExecutor(PARALLEL, thread_name_prefix="headrace-clickhouse")
        self._pinger = ThreadPoolExecutor(1, thread_name_prefix="headrace-clickhouse-ping")

    async def write(self, values: Values, refused: Refused) -> int:
        faulty = faults(values, numbered=self._table.numbered)
        for index, fault in faulty.items():
            if values[index] is not None or not self._table.compacted:
                refused(index, Poison(fault))
        if not faulty:
            return await isolate(cast("Sequence[bytes]", values), self._insert, refused)
        places = [index for index in range(len(values)) if index not in faulty]
        good = [values[index] or b"" for index in places]
        return await isolate(
            good, self._insert, lambda index, poison: refused(places[index], poison)
        )

    async def healthy(self) -> bool:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pinger, self._ping)
        except RuntimeError:  # closed
            return False

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pinger.shutdown(wait=False, cancel_futures=True)
        while self._idle:
            self._idle.pop().close()

    async def _insert(self, values: list[bytes]) -> None:
        """Insert all or raise: Retryable, or Poison where the server refuses the batch's data.

        By halves where it has not the memory: folding can make texts twenty times as long (U+FDFA).
        """
        try:
            await self._insert_whole(values)
        except Retryable as error:
            if error.code != MEMORY_LIMIT_EXCEEDED or len(values) == 1:
                raise
            middle = len(values) // 2
            await self._insert(values[:middle])
            await self._insert(values[middle:])

    async def _insert_whole(self, values: list[bytes]) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._insert_blocking, values)

    def _insert_blocking(self, values: list[bytes]) -> None:
        client: Client | None = None
        try:
            client = self._client()
            client.raw_insert(
                self._name,
                insert_block=_body(values),
                settings=INSERT_SETTINGS | (_TYPED if self._table.typed else {}),
                fmt="JSONEachRow",
            )
        except (ClickHouseError, OSError, HTTPError) as error:
            if client is not None:
                client.close()
            code = getattr(error, "code", None)
            if classify(code) is Poison:
                raise Poison(reason_of(error), code=code) from None
            raise Retryable(reason_of(error), code=code) from None
        self._idle.append(client)

    def _client(self) -> Client:
        try:
            return self._idle.pop()
        except IndexError:
            return connect(self._settings, timeout=self._insert_seconds)

    def _ping(self) -> bool:
        try:
            client = connect(self._settings, timeout=PING_SECONDS)
            try:
                client.command("SELECT 1")
                return True
            finally:
                client.close()
        except (ClickHouseError, OSError, HTTPError):
            return False


def _body(values: list[bytes]) -> Generator[bytes, None, None]:
    """Yield the lines in pieces that a processor's cache holds: never the batch once more."""
    for start in range(0, len(values), PIECE):
        yield b"\n".join(values[start : start + PIECE]) + b"\n"
