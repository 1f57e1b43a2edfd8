"""The standing orders for whoever must honour them: known before the first record is passed on."""

from __future__ import annotations

import asyncio

from headrace.events import topics
from headrace.events.settings import Settings
from headrace.streams.erasure.orders import Orders
from headrace.streams.follower import Follower


class StandingOrders:
    """For the tasks of one loop."""

    def __init__(self, settings: Settings) -> None:
        topic = settings.topic(topics.ERASURES)
        self._orders = Orders(topic)
        self._follower = Follower(settings.need_kafka(), topic, self._orders.take)
        self._starting: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Return once every order is known, however long that takes. Safe to call again."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._follower.start(), name="read orders")
        await asyncio.shield(self._starting)

    def orders(self) -> Orders:
        """Return those that stand now. Raises what ended the following of them."""
        self._follower.check()
        return self._orders

    async def close(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
        await self._follower.close()
