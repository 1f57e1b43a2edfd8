"""The log of deliveries on Kafka: agent.alerts.deliveries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from headrace.events.errors import Retryable
from headrace.sinks.notify.delivery_log import UNFINISHED, DeliveryRecord, Status
from headrace.streams.notify.codec import decode_delivery, encode_delivery

KEEP_SECONDS: Final = 86_400.0
"""For delivered ones. A redo needs only those of the last outbox; people look at yesterday's."""
MOST: Final = 10_000
"""Delivered ones that are kept, and parked ones: then the oldest go."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    offset: int
    record: DeliveryRecord


class KafkaDeliveryLog:
    """See :class:`headrace.sinks.notify.delivery_log.DeliveryLog`.

    A :class:`~headrace.streams.follower.Follower` feeds it; of two records of a delivery the
    one at the greater offset counts. Of delivered ones it keeps no transitions in memory.
    """

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, settled: Callable[[DeliveryRecord], None]
    ) -> None:
        """``settled`` is told of every record that was appended here."""
        self._producer = producer
        self._topic = topic
        self._settled = settled
        self._held: dict[str, _Held] = {}
        self._asked: dict[str, None] = {}
        self.wake = asyncio.Event()
        """Set when a person asks for a delivery."""

    def take(self, message: Any) -> None:
        """Take a record of the topic in; what is none is passed over with a warning."""
        key = (message.key or b"").decode(errors="replace")
        before = self._held.get(key)
        if before is not None and message.offset <= before.offset:
            return
        if message.value is None:
            self._held.pop(key, None)
            self._asked.pop(key, None)
            return
        try:
            record = decode_delivery(message.value)
            if record.id != key:
                raise ValueError(f"its key is {key!r}")  # noqa: TRY301 - one warning for all
        except ValueError as error:
            log.warning("%s: offset %d is passed over: %s", self._topic, message.offset, error)
            return
        if record.status != "asked":
            self._hold(record, message.offset)
        elif before is None or before.record.status not in UNFINISHED:
            self._hold(record, message.offset)
            self._asked[record.id] = None
            self.wake.set()

    def asked(self) -> list[str]:
        """Give the ids of the deliveries that people asked for and that nobody has queued yet."""
        return list(self._asked)

    @property
    def parked(self) -> int:
        """How many deliveries wait for a person."""
        return sum(one.record.status == "parked" for one in self._held.values())

    async def append(self, record: DeliveryRecord) -> None:
        await self._write(record.id, encode_delivery(record), record)
        self._settled(record)

    async def last(self, delivery_id: str) -> DeliveryRecord | None:
        held = self._held.get(delivery_id)
        return None if held is None else held.record

    async def having(self, statuses: Collection[Status]) -> list[DeliveryRecord]:
        return [one.record for one in self._held.values() if one.record.status in statuses]

    async def sweep(self, now: float) -> None:
        """Take away delivered ones that are old, and what is too much. Raises Retryable."""
        delivered, parked = self._by_age("delivered"), self._by_age("parked")
        old = [one for one in delivered if one.at < now - KEEP_SECONDS]
        gone = {one.id for one in [*old, *delivered[:-MOST], *parked[:-MOST]]}
        if len(parked) > MOST:
            log.warning("more than %d deliveries are parked: the oldest go", MOST)
        await asyncio.gather(*(self._write(name, None, None) for name in gone))

    def _by_age(self, status: Status) -> list[DeliveryRecord]:
        found = [one.record for one in self._held.values() if one.record.status == status]
        return sorted(found, key=lambda record: record.at)

    async def _write(self, name: str, value: bytes | None, record: DeliveryRecord | None) -> None:
        try:
            sent = await self._producer.send_and_wait(self._topic, value, name.encode())
        except (KafkaError, OSError) as error:
            raise Retryable(f"{self._topic} does not take a delivery: {error!r}") from None
        if record is None:
            self._held.pop(name, None)
        else:
            self._hold(record, sent.offset)

    def _hold(self, record: DeliveryRecord, offset: int) -> None:
        if record.status == "delivered":
            bare = replace(record.notification, transitions=())
            record = replace(record, notification=bare)
        if record.status != "asked":
            self._asked.pop(record.id, None)
        self._held[record.id] = _Held(offset, record)
