"""One receiver's queue and the one task that works it: a slow receiver delays no other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Final

from headrace.sinks.notify.clock import Clock
from headrace.sinks.notify.delivery_log import DeliveryLog, DeliveryRecord
from headrace.sinks.notify.message import Message, Sender
from headrace.sinks.notify.outcome import Outcome
from headrace.sinks.notify.schedule import Schedule, Uniform
from headrace.sinks.notify.settle import park, settle

QUEUE_LIMIT: Final = 1000
"""Deliveries that wait for one receiver. Past it they are parked, not lost."""

_LONGEST_WAIT: Final = 60.0
"""Seconds. A clock that was set is noticed within this."""

log = logging.getLogger(__name__)


class Lane:
    """Tries the deliveries of one receiver, one at a time.

    Those of one group go in the order in which they came: "resolved" never overtakes "firing".
    Groups do not wait for each other, unless the receiver asked to be left alone (Retry-After).
    For the tasks of one loop.
    """

    def __init__(
        self,
        name: str,
        sender: Sender,
        deliveries: DeliveryLog,
        clock: Clock,
        *,
        schedule: Schedule,
        uniform: Uniform,
        limit: int = QUEUE_LIMIT,
        external_url: str = "",
    ) -> None:
        self.name = name
        self._sender = sender
        self._deliveries = deliveries
        self._clock = clock
        self._schedule = schedule
        self._uniform = uniform
        self._limit = limit
        self._external_url = external_url
        self._groups: dict[str, deque[DeliveryRecord]] = {}
        self._not_before = 0.0
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.disabled: str | None = None
        """Why nothing is sent any more (the receiver answered 410); None while it is."""

    @property
    def waiting(self) -> int:
        """How many deliveries the lane has, the one being tried included."""
        return sum(map(len, self._groups.values()))

    @property
    def full(self) -> bool:
        """Whether no more should be offered."""
        return self.waiting >= self._limit

    def offer(self, record: DeliveryRecord) -> None:
        """Take a delivery that the log has, and try it at its time. Never blocks.

        A disabled lane parks it.
        """
        self._groups.setdefault(record.notification.group_key, deque()).append(record)
        self._wake.set()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"notify-{self.name}")

    def check(self) -> None:
        """Raise what ended the lane's task: a fault of ours, after which nothing is sent."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def close(self, seconds: float) -> None:
        """Let the try that is under way end for so long, then release the sender.

        What is left waits in the log for the next process.
        """
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._sender.close()

    async def _run(self) -> None:
        while not self._closing:
            self._wake.clear()
            if self.disabled is not None:
                await self._park_all(f"the receiver is disabled: {self.disabled}")
            head = min(map(_first, self._groups.values()), key=_due, default=None)
            wait = None if head is None else max(_due(head), self._not_before) - self._clock.now()
            if head is not None and wait is not None and wait <= 0:
                await self._attempt(head)
            else:
                await self._clock.wait(
                    self._wake, None if wait is None else min(wait, _LONGEST_WAIT)
                )

    async def _attempt(self, record: DeliveryRecord) -> None:
        outcome = await self._sent(record)
        now = self._clock.now()
        after = settle(record, outcome, now, self._schedule, self._uniform)
        if outcome.retry_after is not None:
            self._not_before = after.next_at or now + outcome.retry_after
        group = self._groups[record.notification.group_key]
        if after.status == "retrying":
            group[0] = after
        else:
            self._drop_head(record.notification.group_key)
        await self._keep(after)
        if outcome.verdict == "gone":
            self.disabled = outcome.reason
            log.error("receiver %s is disabled: %s", self.name, outcome.reason)

    async def _sent(self, record: DeliveryRecord) -> Outcome:
        message = Message(record.id, self._clock.now(), record.notification, self._external_url)
        try:
            return await self._sender.send(message)
        except Exception as error:
            # Its text is not ours, and may hold what was sent.
            log.error("receiver %s: a try ended with %s", self.name, type(error).__name__)  # noqa: TRY400
            return Outcome("retry", f"the try ended with {type(error).__name__}")

    async def _park_all(self, reason: str) -> None:
        left = [record for group in self._groups.values() for record in group]
        self._groups.clear()
        for record in left:
            await self._keep(park(record, reason, self._clock.now()))

    async def _keep(self, record: DeliveryRecord) -> None:
        if record.status == "parked":
            log.warning("receiver %s: %s is parked: %s", self.name, record.id, record.reason)
        try:
            await self._deliveries.append(record)
        except Exception as error:
            # The log is behind: after a restart the delivery is tried again, under the same id.
            log.warning(
                "receiver %s: the outcome of %s is not recorded: %s",
                *(self.name, record.id, type(error).__name__),
            )

    def _drop_head(self, key: str) -> None:
        group = self._groups[key]
        group.popleft()
        if not group:
            del self._groups[key]


def _first(group: deque[DeliveryRecord]) -> DeliveryRecord:
    return group[0]


def _due(record: DeliveryRecord) -> float:
    return record.next_at or record.first_at
