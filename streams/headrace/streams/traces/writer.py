"""Writing spans to agent.spans, each once, whatever Kafka answers."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Final

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from headrace.events.errors import HeadraceError, Retryable
from headrace.streams.backoff import Backoff
from headrace.streams.erasure.orders import Orders
from headrace.streams.erasure.owner import Owner
from headrace.streams.traces.link import Link
from headrace.streams.traces.made import Made
from headrace.streams.traces.partition import Partition
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

TROUBLE: Final = (KafkaError, OSError, Retryable, asyncio.TimeoutError)
TOO_SMALL: Final = "agent.spans takes no record of that size: run `headrace topics apply`"


class Mine:
    """A partition that this worker has."""

    __slots__ = ("end", "saved", "state")

    def __init__(self, state: Partition, end: int) -> None:
        self.state = state
        self.end = end
        """Behind the last record of agent.spans that is known."""
        self.saved: tuple[int, int] | None = None
        """What was saved last: the offset here, and the end there."""


class Writer:
    """For the tasks of one loop; one partition at a time."""

    def __init__(self, metrics: Metrics, orders: Orders) -> None:
        """``orders``: whose spans are to be forgotten, and not written."""
        self.waiting = False
        """For Kafka, with spans in hand that it did not take."""
        self._metrics = metrics
        self._orders = orders

    def covered(self, tenant: str, session: str, user: str) -> bool:
        """Whether somebody is to be forgotten."""
        return self._orders.match(Owner(tenant, session, user or None)) is not None

    async def write(self, link: Link, number: int, mine: Mine, made: Sequence[Made]) -> None:
        """Write spans, however long that takes: what has landed in part is not written again.

        Raises HeadraceError where agent.spans will never take them.
        """
        left, backoff, unsure = self._kept(made), Backoff(), False
        while left:
            try:
                if unsure:
                    mine.end = await link.read(number, mine.end, mine.state.recall)
                    unsure = False
                left = [one for one in left if not mine.state.is_written(one.place, one.id)]
                if left:
                    await self._write(link, number, mine, left)
                left = []
            except MessageSizeTooLargeError:
                raise HeadraceError(TOO_SMALL) from None
            except TROUBLE as error:
                if not self.waiting:
                    log.warning("spans could not be written, trying until they can: %r", error)
                self.waiting = unsure = True
                await asyncio.sleep(backoff.wait())
        self.waiting = False

    def _kept(self, made: Sequence[Made]) -> Sequence[Made]:
        """Leave out what is to be forgotten."""
        if not self._orders:
            return made
        kept = [one for one in made if not self.covered(one.tenant, one.session, one.user)]
        self._metrics.traces_erased.inc(len(made) - len(kept))
        return kept

    async def _write(self, link: Link, number: int, mine: Mine, made: Sequence[Made]) -> None:
        first, end = await link.write(number, made)
        if first > mine.end:  # another worker that thinks it has this partition
            await link.read(number, mine.end, mine.state.recall, first)
        mine.end = end
        for kind, count in Counter(one.kind for one in made).items():
            self._metrics.traces_spans.labels(kind).inc(count)
        for why, count in Counter(one.abandoned for one in made if one.abandoned).items():
            self._metrics.traces_abandoned.labels(why).inc(count)
