"""One worker's time with the partition of agent.alerts.log: from its assignment to its loss.

    transitions -> Teller -> outbox -> saved -> Notifier -> receivers
                    ^                   ^          v
                 silences      agent.alerts.state  agent.alerts.deliveries

The order is what keeps a crash from telling twice. The outbox is saved before it is handed over, so
that whoever goes on hands over the same notifications, under the same ids; those that the log of
deliveries knows are not queued twice. What was not saved was told to nobody. Between the two a
worker asks whether it still leads: one that was away tells nothing under a number that another has
given since.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import orjson
from aiokafka.errors import KafkaError

from headrace.events import topics
from headrace.events.errors import HeadraceError, Retryable
from headrace.events.settings import Settings
from headrace.sinks.notify.settle import park
from headrace.streams.backoff import Backoff
from headrace.streams.notify.codec import decode_transition
from headrace.streams.notify.lead import LeadLostError
from headrace.streams.notify.parts import Parts, Plan, load, open_parts
from headrace.streams.notify.tally import Tally
from headrace.streams.same_log import need_same_log

TROUBLE: Final = (KafkaError, OSError, Retryable, asyncio.TimeoutError)

LOOK_SECONDS: Final = 1.0
"""How often the metrics are shown afresh, at least."""
SAVE_SECONDS: Final = 30.0
"""How often the place is saved while there is nothing to tell: what a restart reads again."""
ASK_SECONDS: Final = 30.0
"""How often it is asked whether the log is still the one that is read."""
SWEEP_SECONDS: Final = 600.0
"""How often old deliveries and silences are taken away."""
BEGIN_SECONDS: Final = 30.0
"""For connecting and reading deliveries and silences: a rebalance waits for it."""
LOST_SECONDS: Final = 120.0
"""For the rebalance that takes the partition from who does not lead; then the worker ends."""
CLOSE_SECONDS: Final = 2.0
"""For the pass under way, and for the last save. Whoever takes over waits for it."""

log = logging.getLogger(__name__)


class Duty:
    """For one loop. Made by :meth:`begin`."""

    def __init__(self, parts: Parts, offset: int, end: int, clock: Callable[[], float]) -> None:
        self._parts = parts
        self._clock = clock
        self._end = end
        """Where the log ended at the beginning: nothing is told before that is read."""
        self._unsaved = False
        """Whether the outbox holds what is not saved."""
        self._changed = False
        self._save_at = 0.0
        self._sweep_at = 0.0
        self._ask_at = 0.0
        self._faulty = False
        """Whether the state may be half of one: it is not to be saved."""
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self.offset = offset
        """The next record to take."""
        self.in_trouble = False

    @classmethod
    async def begin(
        cls,
        settings: Settings,
        plan: Plan,
        tally: Tally,
        end: int,
        clock: Callable[[], float],
    ) -> Duty:
        """Load all that the last worker left; ``end`` is where the log ends now.

        Raises KafkaError, OSError, Retryable or asyncio.TimeoutError where Kafka is away, and
        LeadLostError where another begins as well.
        """
        stack = AsyncExitStack()
        try:
            opening = open_parts(settings, plan, tally, stack)
            parts = await asyncio.wait_for(opening, BEGIN_SECONDS)
            # What another saves from now on it does not tell: all that it told is loaded.
            await parts.lead.claim()
            duty = cls(parts, await load(parts, clock()), end, clock)
            # From here on nothing counts that a worker saves which had the partition before.
            await duty._save()
            await parts.notifier.start()
        except BaseException:
            await stack.aclose()
            raise
        return duty

    def start(self, failed: Callable[[Exception], None]) -> None:
        """Begin to tell; ``failed`` is called with a fault of ours, which ends it."""
        self._task = asyncio.create_task(self._run(failed), name="notify")

    async def close(self) -> None:
        """Stop telling, then let go of everything. Safe to call twice."""
        if self._stopping:
            return
        self._stopping = True
        self._parts.deliveries.wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._changed and not self._faulty:
            try:
                await asyncio.wait_for(self._save(), CLOSE_SECONDS)
            except TROUBLE as error:
                log.warning("the last state was not saved: %r", error)
        self._parts.tally.over()
        await self._parts.stack.aclose()

    def take(self, records: list[Any]) -> None:
        """Take records of agent.alerts.log in, and wake who tells."""
        now = self._clock()
        for record in records:
            if record.offset >= self.offset:
                self._take_one(record, now)
        self.offset = max(self.offset, records[-1].offset + 1)
        self._changed = True
        self._parts.deliveries.wake.set()

    def _take_one(self, record: Any, now: float) -> None:
        try:
            transition = decode_transition(record.value or b"", self._parts.most_bytes)
        except ValueError as error:
            log.warning("agent.alerts.log: offset %d is passed over: %s", record.offset, error)
            return
        self._parts.tally.nobody(self._parts.teller.take(transition, now))

    @property
    def healthy(self) -> bool:
        return not self.in_trouble and all(one.healthy for one in self._parts.followers)

    async def _run(self, failed: Callable[[Exception], None]) -> None:
        backoff = Backoff()
        try:
            while not self._stopping:
                try:
                    await self._pass()
                except TROUBLE as error:
                    if not self.in_trouble:
                        log.warning("Kafka is in trouble, trying until it is not: %r", error)
                    self.in_trouble = True
                    await asyncio.sleep(backoff.wait())
                else:
                    self.in_trouble = False
                    backoff.reset()
                    await self._wait()
        except LeadLostError:
            self._faulty = True
            log.warning("another worker tells now: nothing more is told here")
            await asyncio.sleep(LOST_SECONDS)
            failed(HeadraceError("another worker tells, yet the partition is not taken from us"))
        except Exception as error:  # a fault of ours: what is in work stays as it is saved
            self._faulty = True
            failed(error)

    async def _wait(self) -> None:
        """Wait until a transition comes, a group is due, somebody asks, or a second is over."""
        wake = self._parts.deliveries.wake
        due = self._parts.teller.next_due()
        seconds = LOOK_SECONDS
        if due is not None and self._caught_up:
            seconds = max(0.0, min(seconds, due - self._clock()))
        try:
            await asyncio.wait_for(wake.wait(), seconds)
        except asyncio.TimeoutError:
            return
        wake.clear()

    @property
    def _caught_up(self) -> bool:
        return self.offset >= self._end

    async def _pass(self) -> None:
        parts, now = self._parts, self._clock()
        parts.notifier.check()
        for follower in parts.followers:
            follower.check()
        if now >= self._ask_at:
            self._ask_at = now + ASK_SECONDS
            topic = parts.settings.topic(topics.ALERTS_LOG)
            await need_same_log(parts.producer, topic, parts.incarnation)
        await self._deliver_again()
        if self._caught_up:
            self._unsaved |= parts.teller.due(now)
        if self._unsaved or (self._changed and now >= self._save_at):
            await self._save()
        if parts.teller.outbox:
            await parts.lead.need()
            await self._hand_over()
            await self._save()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_SECONDS
            await parts.deliveries.sweep(now)
            await parts.feed.sweep(parts.producer, now)
        parts.tally.look(parts.notifier, parts.deliveries.parked, parts.feed.active(now))

    async def _save(self) -> None:
        state = {
            "v": 1,
            "log": self._parts.incarnation,
            "offset": self.offset,
            **self._parts.teller.as_data(),
        }
        self._changed = False
        try:
            await self._parts.saved.save(orjson.dumps(state))
        except BaseException:
            self._changed = True
            raise
        self._unsaved = False
        self._save_at = self._clock() + SAVE_SECONDS

    async def _hand_over(self) -> None:
        outbox = self._parts.teller.outbox
        while outbox:
            self._parts.tally.handed_over(outbox[0])
            await self._parts.notifier.notify(outbox[0].notification)
            del outbox[0]

    async def _deliver_again(self) -> None:
        """Queue what people asked for; where that cannot be, it is parked again."""
        deliveries = self._parts.deliveries
        for name in deliveries.asked():
            try:
                await self._parts.notifier.redeliver(name)
            except Retryable:
                raise
            except HeadraceError as error:
                record = await deliveries.last(name)
                if record is not None:
                    reason = str(error).partition(": ")[2]
                    await deliveries.append(park(record, reason, self._clock()))
