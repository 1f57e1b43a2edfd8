"""The silences as agent.alerts.silences has them, live."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiokafka import AIOKafkaProducer

from headrace.streams.alerts.silences import Silences
from headrace.streams.notify.codec import decode_silence

log = logging.getLogger(__name__)


class SilencesFeed:
    """Fed by a :class:`~headrace.streams.follower.Follower`. For one loop."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self.silences = Silences()

    def take(self, message: Any) -> None:
        """Take a record in; what is no silence is passed over with a warning."""
        if message.value is None:
            self.silences.forget((message.key or b"").decode(errors="replace"))
            return
        try:
            self.silences.take(decode_silence(message.value))
        except ValueError as error:
            log.warning("%s: offset %d is passed over: %s", self._topic, message.offset, error)

    def active(self, now: float) -> int:
        """How many are in force."""
        return sum(one.active(now) for one in self.silences)

    async def sweep(self, producer: AIOKafkaProducer, now: float) -> None:
        """Take those away that ended days ago. Raises KafkaError or OSError."""
        gone = self.silences.clean(now)
        sending = (producer.send_and_wait(self._topic, None, name.encode()) for name in gone)
        await asyncio.gather(*sending)
