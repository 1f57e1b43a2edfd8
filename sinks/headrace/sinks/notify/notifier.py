"""Hands notifications to the receivers' lanes, each delivery once by its id.

notifier = Notifier(read_receivers(tables, os.environ), log)
await notifier.start()            # goes on with what the last process left
await notifier.notify(Notification("ops", group_key, group_labels, transitions))
await notifier.close()
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from headrace.events.errors import HeadraceError
from headrace.sinks.notify.clock import Clock, SystemClock
from headrace.sinks.notify.delivery_log import UNFINISHED, DeliveryLog, DeliveryRecord
from headrace.sinks.notify.lane import QUEUE_LIMIT, Lane
from headrace.sinks.notify.message import Sender
from headrace.sinks.notify.notification import Notification
from headrace.sinks.notify.receiver import Receiver
from headrace.sinks.notify.schedule import Schedule, Uniform
from headrace.sinks.notify.senders import SenderFactory
from headrace.sinks.notify.settle import park

CLOSE_SECONDS: Final = 5.0
"""For a try that is under way; one that is cut off is made again by the next process."""

log = logging.getLogger(__name__)


class Notifier:
    """Delivers to each receiver at least once. For one task of one loop; nothing here blocks it."""

    def __init__(
        self,
        receivers: Iterable[Receiver],
        deliveries: DeliveryLog,
        *,
        clock: Clock | None = None,
        schedule: Schedule | None = None,
        uniform: Uniform = random.uniform,
        sender_of: Callable[[Receiver], Sender] | None = None,
        queue_limit: int = QUEUE_LIMIT,
        external_url: str = "",
    ) -> None:
        self._clock = clock or SystemClock()
        self._deliveries = deliveries
        make = sender_of or SenderFactory(clock=self._clock)
        self._lanes = {
            receiver.name: Lane(
                receiver.name,
                make(receiver),
                deliveries,
                self._clock,
                schedule=schedule or Schedule(),
                uniform=uniform,
                limit=queue_limit,
                external_url=external_url,
            )
            for receiver in receivers
        }

    async def start(self) -> None:
        """Take up what the last process left unfinished, and start every lane. Call it once.

        Raises what the log raises.
        """
        left = await self._deliveries.having(UNFINISHED)
        for record in sorted(left, key=lambda one: one.first_at):
            lane = self._lanes.get(record.notification.receiver)
            if lane is None:
                await self._park(record, "no receiver has this name any more")
            else:
                lane.offer(record)
        for lane in self._lanes.values():
            lane.start()

    async def notify(self, notification: Notification) -> str:
        """Queue a notification and return its delivery's id. Once it returns, the log has it.

        Safe to call again with the same notification, in this process or a later one: a delivery
        that the log knows is not queued twice. What has no alert that fires or is resolved is not
        delivered. Raises what the log raises; then nothing was queued.
        """
        delivery_id = notification.delivery_id
        if not notification.current() or await self._deliveries.last(delivery_id) is not None:
            return delivery_id
        now = self._clock.now()
        record = DeliveryRecord(delivery_id, notification, "queued", 0, now, now, next_at=now)
        await self._queue(record)
        return delivery_id

    async def redeliver(self, delivery_id: str) -> None:
        """Queue a delivery again that is parked or asked for, under its old id.

        A receiver that is disabled is enabled by it: a person has said so. Raises
        :class:`~headrace.events.errors.HeadraceError` if no delivery of that id is parked or its
        receiver is gone.
        """
        record = await self._deliveries.last(delivery_id)
        if record is None or record.status not in {"parked", "asked"}:
            raise HeadraceError(f"{delivery_id}: no such delivery is parked")
        lane = self._lanes.get(record.notification.receiver)
        if lane is None:
            raise HeadraceError(f"{delivery_id}: its receiver is not in the receivers' file")
        lane.disabled = None
        now = self._clock.now()
        await self._queue(
            replace(record, status="queued", tries=0, first_at=now, at=now, next_at=now, reason="")
        )

    async def parked(self) -> list[DeliveryRecord]:
        """Return what waits for a person, each with its reason."""
        return await self._deliveries.having(frozenset({"parked"}))

    @property
    def disabled(self) -> Mapping[str, str]:
        """The receivers that answered 410, and what was made of it."""
        lanes = self._lanes.items()
        return {name: lane.disabled for name, lane in lanes if lane.disabled is not None}

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many deliveries each receiver has waiting."""
        return {name: lane.waiting for name, lane in self._lanes.items()}

    def check(self) -> None:
        """Raise the fault that ended a lane, if one did: its deliveries would wait for ever."""
        for lane in self._lanes.values():
            lane.check()

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Stop every lane, within about that time. What is left is in the log."""
        await asyncio.gather(*(lane.close(seconds) for lane in self._lanes.values()))

    async def _queue(self, record: DeliveryRecord) -> None:
        lane = self._lanes.get(record.notification.receiver)
        if lane is None:
            await self._park(record, "no receiver has this name")
        elif lane.full:
            await self._park(record, "the receiver's queue is full")
        else:
            await self._deliveries.append(record)
            lane.offer(record)

    async def _park(self, record: DeliveryRecord, reason: str) -> None:
        log.warning(
            "receiver %s: %s is parked: %s", record.notification.receiver, record.id, reason
        )
        await self._deliveries.append(park(record, reason, self._clock.now()))
