"""Which agent.audit this worker reads: one that was made anew under it is another log."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from headrace.events import topics
from headrace.events.settings import Settings
from headrace.producers.kafka_log import incarnation_of
from headrace.streams.producer import start_producer
from headrace.streams.same_log import need_same_log

SAME_SECONDS: Final = 10.0
"""How often is asked whether agent.audit is still the topic that it was."""


class AuditTopic:
    """For one loop."""

    def __init__(self, settings: Settings, worker: str) -> None:
        self.name = settings.topic(topics.AUDIT)
        self.incarnation = ""
        """That of the topic when it was asked for first."""
        self._settings = settings
        self._worker = worker
        self._producer: AIOKafkaProducer | None = None

    async def need_same(self) -> None:
        """Raise where it was made anew since the first time; as :func:`need_same_log`."""
        if self._producer is None:
            self._producer = await start_producer(self._settings, self._worker)
        if not self.incarnation:
            self.incarnation = await incarnation_of(self._producer, self.name)
        await need_same_log(self._producer, self.name, self.incarnation)

    async def mind(self) -> None:
        """Ask now and then, until cancelled; raises as :meth:`need_same`."""
        while True:
            await asyncio.sleep(SAME_SECONDS)
            if self._producer is not None:
                with contextlib.suppress(KafkaError, OSError, asyncio.TimeoutError):
                    await self.need_same()

    async def close(self) -> None:
        if self._producer is not None:
            await self._producer.stop()
