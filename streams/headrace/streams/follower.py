"""Following a compacted topic: all that it says, and then what is added."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from headrace.events.errors import Retryable
from headrace.events.settings import KafkaSettings
from headrace.streams.backoff import Backoff
from headrace.streams.stop_consumer import stop_consumer

POLL_MS: Final = 500
"""A record is handed on when it comes; this is how long an empty answer takes."""

log = logging.getLogger(__name__)


class Follower:
    """Hands every record to ``take``, in order, on the loop that it runs on.

    While Kafka is away it goes on trying. It begins again from the first record then, so that
    ``take`` must pass over what it knows.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, take: Callable[[Any], None]) -> None:
        self._kafka = kafka
        self._topic = topic
        self._take = take
        self._task: asyncio.Task[None] | None = None
        self._caught_up = asyncio.Event()
        self._failing = False

    async def start(self) -> None:
        """Return once the topic has been read to its end, however long that takes."""
        self._task = asyncio.create_task(self._run(), name=f"follow {self._topic}")
        waiting = asyncio.create_task(self._caught_up.wait())
        try:
            await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        self.check()

    def check(self) -> None:
        """Raise what ended it: a fault of ours, after which nothing is handed on any more."""
        if self._task is not None and self._task.done():
            self._task.result()

    @property
    def healthy(self) -> bool:
        """Whether it follows, as far as it knows: a silent broker looks like one without news."""
        return self._task is not None and not self._task.done() and not self._failing

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._task

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._follow(backoff)
            except (KafkaError, OSError, Retryable) as error:
                if not self._failing:
                    log.warning("%s cannot be read, trying until it can: %r", self._topic, error)
                self._failing = True
            await asyncio.sleep(backoff.wait())

    async def _follow(self, backoff: Backoff) -> None:
        consumer = AIOKafkaConsumer(
            **self._kafka.client_kwargs(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        try:
            await consumer.start()
            places = await self._places(consumer)
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            while True:
                if all([await consumer.position(tp) >= end for tp, end in ends.items()]):
                    self._caught_up.set()
                    self._failing = False
                    backoff.reset()
                    ends = {}
                for batch in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in batch:
                        self._take(record)
        finally:
            await stop_consumer(consumer)

    async def _places(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        # partitions_for_topic() knows only topics that the client already reads.
        metadata: Any = await consumer._client.fetch_all_metadata()  # noqa: SLF001
        numbers = metadata.partitions_for_topic(self._topic)
        if not numbers:
            raise Retryable(f"no topic {self._topic}: `headrace topics apply` makes the topics")
        return [TopicPartition(self._topic, number) for number in sorted(numbers)]
