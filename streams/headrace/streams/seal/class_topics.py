"""What was sealed goes to the topics of its classes, leaf by leaf, read from the vault.

The vault is the evidence: a topic that is away or missing holds up no sealing, and a new one is
filled from the vault. Where to go on is what the topic itself says, by the last leaf of a log that
stands in it: so nothing is missing, and nothing is written twice but by a worker that does not know
yet that another has its partition.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from time import time
from typing import Final

from aiokafka.errors import KafkaError

from headrace.events.errors import Retryable
from headrace.sinks.audit.vault.seal import Seal
from headrace.sinks.audit.vault.vault import Vault
from headrace.streams.backoff import Backoff
from headrace.streams.seal.class_link import ClassLink
from headrace.streams.seal.class_log import ClassLog, Share
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

AWAY: Final = (Retryable, KafkaError, OSError, asyncio.TimeoutError)


class ClassTopics:
    """Runs on one loop."""

    def __init__(
        self,
        vault: Vault,
        link: ClassLink,
        kept: Mapping[str, int | None],
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time,
    ) -> None:
        """``kept``: each class of the policy, and how many days its topic keeps a leaf."""
        self._vault = vault
        self._link = link
        self._kept = kept
        self._metrics = metrics
        self._clock = clock
        self._logs: dict[str, ClassLog] = {}
        self._topics: dict[str, str] = {}
        """Class to its topic's incarnation."""
        self._late: set[str] = set()
        """Classes whose topics did not take something: they come last."""
        self._news = asyncio.Event()
        self.trouble: str | None = None
        """Why a topic did not take its leaves the last time; None: all did."""

    def tell(self, seal: Seal) -> None:
        """There is more of a log in the vault than there was, or it was opened."""
        known = self._logs.setdefault(seal.log, ClassLog(self._vault, seal))
        known.newest = seal
        self._news.set()

    def forget(self, partition: int) -> None:
        """Leave the logs of a partition of agent.audit to another worker."""
        for one in list(self._logs.values()):
            if one.partition == partition:
                del self._logs[one.name]

    def doubt(self, partition: int) -> None:
        """Another worker had a partition meanwhile: ask its topics again what they have."""
        self._begin([one for one in self._logs.values() if one.partition == partition])

    async def run(self) -> None:
        """Write until cancelled. Raises as the vault where it is not what was sealed."""
        backoff = Backoff()
        while True:
            await self._news.wait()
            self._news.clear()
            trouble = await self._catch_up()
            if trouble is None:
                self.trouble = None
                backoff.reset()
                continue
            if trouble != self.trouble:
                log.warning("evidence is not in its classes' topics, trying on: %s", trouble)
            self.trouble = trouble
            self._news.set()
            await asyncio.sleep(backoff.wait())

    async def close(self) -> None:
        await self._link.close()

    async def _catch_up(self) -> str | None:
        """Write what can be written now; say why not all of it could be."""
        try:
            await self._link.connect()
            classes = self._kept.keys() | await self._link.classes()
            for one in list(self._logs.values()):
                await asyncio.to_thread(one.look, classes)
        except AWAY as error:
            await self._link.close()
            return _text(error)
        trouble = None
        for name in sorted(classes, key=lambda one: (one in self._late, one)):
            self._late.discard(name)
            try:
                await self._write_class(name)
            except AWAY as error:
                self._late.add(name)
                trouble = _text(error)
                if not isinstance(error, Retryable):
                    # An idempotent producer that failed goes on in no order.
                    await self._link.close()
        return trouble

    async def _write_class(self, name: str) -> None:
        await self._link.connect()
        await self._need_same(name)
        for one in list(self._logs.values()):
            share = one.shares.get(name)
            if share is None or not share.segments:
                continue
            try:
                await self._write(one, share)
            except BaseException:
                # Some of it may be there.
                share.last = None
                raise

    async def _need_same(self, name: str) -> None:
        now = await self._link.incarnation(name)
        before = self._topics.setdefault(name, now)
        if now != before:
            self._topics[name] = now
            self._begin(list(self._logs.values()))
            raise Retryable(f"the topic of class {name} was made anew: it is filled again")

    def _begin(self, logs: list[ClassLog]) -> None:
        """Look at logs anew. What is under way for them ends."""
        for one in logs:
            self._logs[one.name] = ClassLog(self._vault, one.newest)
        self._news.set()

    async def _write(self, one: ClassLog, share: Share) -> None:
        name, link = share.audit_class, self._link
        if share.last is None:
            times = await asyncio.to_thread(one.times, share)
            one.skip(share, await link.last(name, one.partition, one.name, times))
        while share.segments and self._logs.get(one.name) is one:
            piece = await asyncio.to_thread(one.piece, share, self._kept, self._clock())
            if piece.leaves:
                lines = [leaf for _, leaf in piece.leaves]
                await link.send(name, one.partition, piece.sealed_at, lines)
                share.last = piece.leaves[-1][0]
                self._metrics.seal_class_leaves.labels(name).inc(len(lines))
            share.segments.popleft()


def _text(error: BaseException) -> str:
    return str(error) if isinstance(error, Retryable) else f"Kafka: {error!r}"
