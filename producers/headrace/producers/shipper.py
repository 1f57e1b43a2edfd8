"""The shipper: reads sources, writes to Kafka, and moves a checkpoint on acknowledgement."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from headrace.events.errors import SettingsError
from headrace.events.settings import KafkaSettings
from headrace.events.topics import LOCAL_CLUSTER
from headrace.producers.kafka_log import KafkaLog
from headrace.producers.sources import Chunk, Source
from headrace.producers.warn import Warnings

LINGER: Final = 0.05
"""Seconds between two looks at sources that had nothing."""
WINDOW: Final = 4
"""Chunks under way at once: enough to keep a broker busy, and 2 MB of memory."""
SMALLEST_BATCH: Final = 8192
"""Bytes below which a broker's limit is taken for a fault that passes."""
BACKOFF_MAX: Final = 5.0
"""Seconds, at most, between two tries to reach Kafka."""
INCARNATION_CHECK: Final = 1.0
"""Seconds between two questions to an embedded Kafka whether it is still the same."""
TOPIC_CHECK: Final = 30.0
"""The same for a cluster of which a fleet asks whether its topic was made again."""
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)


class Shipper:
    """Ships what its sources hold, until told to stop. One event loop, one task.

    ``sources()`` is asked again every round, so lanes may come and go.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        sources: Callable[[], list[Source]],
        warn: Warnings,
        *,
        max_event_bytes: int,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._sources = sources
        self._warn = warn
        # Room for the largest event and its framing: a record always fits a batch.
        self._max_batch_bytes = max(262_144, max_event_bytes + 65_536)
        self.on_idle: Callable[[], None] = lambda: None
        """Called when nothing is under way: all is acknowledged, or Kafka is away."""
        self.tell: Callable[[str], None] = lambda _: None
        """Called every round with what is the trouble; with nothing where it ships."""
        self._unread = ""
        # Not by id(): that of a lane that is gone comes again, and a lane that is not begun is
        # not sent again what another log has of it.
        self._begun: WeakKeyDictionary[Source, str] = WeakKeyDictionary()
        self._window: deque[tuple[Source, Chunk, list[asyncio.Future[Any]]]] = deque()
        self.acknowledged = 0
        """Lines that Kafka acknowledged to this shipper."""

    async def run(self, stop: asyncio.Event) -> None:
        """Ship until ``stop`` is set; then wait a moment for what is under way."""
        delay = 0.1
        while not stop.is_set():
            log: KafkaLog | None = None
            before = self.acknowledged
            try:
                log = await KafkaLog.connect(self._settings, self._topic, self._max_batch_bytes)
                await self._pump(log, stop)
            except _TOO_LARGE:
                # The topic's limit (max.message.bytes) is below ours. A new connection is needed
                # in any case: an idempotent producer cannot go on after a refused batch.
                self._max_batch_bytes = max(self._max_batch_bytes // 2, SMALLEST_BATCH)
                limit = self._max_batch_bytes
                self._warn("size", "the broker refuses large batches: trying %d bytes", limit)
            except (KafkaError, SettingsError, OSError, asyncio.TimeoutError) as error:
                why = str(error) or type(error).__name__
                self._warn("kafka", "headrace cannot ship to Kafka (%s): events wait", why)
                self.tell(f"cannot ship to Kafka ({why})")
            finally:
                await self._abandon()
                if log is not None:
                    await log.close()
            delay = 0.1 if self.acknowledged > before else min(delay * 2, BACKOFF_MAX)
            self.on_idle()
            # Jitter, so that a fleet does not come back to a broker all at once.
            await _wait(stop, delay * random.uniform(0.5, 1.0))  # noqa: S311

    async def _pump(self, log: KafkaLog, stop: asyncio.Event) -> None:
        self._begun.clear()
        before = self.acknowledged
        loop = asyncio.get_running_loop()
        local = log.incarnation.startswith(LOCAL_CLUSTER)
        every = INCARNATION_CHECK if local else TOPIC_CHECK
        check_at = loop.time() + every
        while not stop.is_set():
            moved = await self._round(log)
            if loop.time() >= check_at:
                check_at = loop.time() + every
                if await log.current_incarnation() != log.incarnation:
                    return
            if not moved:
                await self._settle(0)
            if not self._window or self.acknowledged > before:
                self.tell(self._unread)
            if not moved:
                self.on_idle()
                await _wait(stop, LINGER)
        await asyncio.wait_for(self._settle(0), timeout=2)

    async def _round(self, log: KafkaLog) -> bool:
        moved = False
        self._unread = ""
        for source in self._sources():
            chunk = self._read(source, log.incarnation)
            if chunk is None:
                continue
            moved = True
            self._window.append((source, chunk, await log.send(chunk.lines)))
            await self._settle(WINDOW)
        return moved

    def _read(self, source: Source, incarnation: str) -> Chunk | None:
        """Return a source's next lines. One that cannot be read must not hold up the others."""
        try:
            if self._begun.get(source) != incarnation:
                source.begin(incarnation)
                self._begun[source] = incarnation
            return source.read()
        except OSError as error:
            self._warn("lane", "headrace cannot read a part of its spool (%s)", error)
            self._unread = f"cannot read a part of the spool ({error})"
            return None

    async def _settle(self, most: int) -> None:
        """Wait until at most so many chunks are under way, and acknowledge the others."""
        while len(self._window) > most:
            source, chunk, sent = self._window[0]
            results = await asyncio.gather(*sent, return_exceptions=True)
            failures = [result for result in results if isinstance(result, BaseException)]
            if failures:
                raise failures[0]
            self._window.popleft()
            source.acknowledge(chunk)
            self.acknowledged += len(chunk.lines)

    async def _abandon(self) -> None:
        """Forget what is under way: it is read again from the checkpoint."""
        while self._window:
            _, _, sent = self._window.popleft()
            for future in sent:
                future.cancel()
            await asyncio.gather(*sent, return_exceptions=True)
        for source in self._sources():
            source.rewind()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), timeout=seconds)
    except asyncio.TimeoutError:
        return
