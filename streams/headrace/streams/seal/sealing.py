"""Sealing what waits in a partition, and telling who wants to know of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

from headrace.sinks.audit.vault import marker
from headrace.sinks.audit.vault.place import TakenError
from headrace.sinks.audit.vault.seal import Seal
from headrace.sinks.audit.vault.vault import Vault
from headrace.streams.seal.asking import Asking
from headrace.streams.seal.class_topics import ClassTopics
from headrace.streams.seal.commit import Signing, commit
from headrace.streams.seal.held import Held
from headrace.streams.seal.partition import Limits, Partition
from headrace.streams.seal.rows import Rows
from headrace.streams.seal.sealed_log import StoredError
from headrace.streams.seal.witnesses import Witnesses
from headrace.streams.worker_metrics import Metrics


class Sealing:
    """For one loop; the vault is asked on threads. What it raises ends the worker."""

    def __init__(
        self,
        vault: Vault,
        signing: Signing,
        asking: Asking,
        *,
        limits: Limits,
        rows: Rows,
        classes: ClassTopics | None,
        witnesses: Witnesses,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._vault = vault
        self._signing = signing
        self._limits = limits
        self._asking = asking
        self._rows = rows
        self._classes = classes
        self._witnesses = witnesses
        self._metrics = metrics
        self._clock = clock

    async def open(self, number: int, incarnation: str) -> Held:
        """Open a partition of this life of the topic, once the vault answers.

        Raises SettingsError where there is none, and as :meth:`Partition.open`.
        """
        held = Held(number, await self._asking.ask(partial(self._open, number, incarnation)))
        for seal in held.partition.last_seals():
            # Whoever sealed it may have died before it told anybody.
            self._tell(held, seal)
        if self._classes is not None:
            for seal in held.partition.former_seals():
                self._classes.tell(seal)
        return held

    def let_go(self, held: Held) -> None:
        """Another worker has the partition: what is under way here for it ends."""
        held.gone = True
        self._rows.forget([seal.log for seal in held.partition.last_seals()])
        if self._classes is not None:
            self._classes.forget(held.number)
        metrics = self._metrics
        for gauge in (metrics.seal_size, metrics.seal_signed, metrics.seal_waiting):
            with contextlib.suppress(KeyError):
                gauge.remove(str(held.number))

    async def seal(self, held: Held) -> None:
        """Seal all that waits. Raises :class:`LetGoError` where the partition went."""
        loop = asyncio.get_running_loop()
        while held.partition.waiting:
            draft, last = held.partition.draft(self._clock()), held.partition.last
            ours = partial(commit, self._vault, self._signing, draft, last)
            try:
                seal = await self._asking.ask(ours, held)
            except TakenError:
                await self._follow(held, draft.seal)
                continue
            held.partition.sealed(seal, loop.time())
            self._metrics.seal_leaves.labels(str(held.number)).inc(seal.count)
            self._metrics.seal_segments.labels(str(held.number)).inc()
            self._tell(held, seal)

    async def _follow(self, held: Held, ours: Seal) -> None:
        """Go on behind what another sealed in place of ours."""
        self._metrics.seal_fenced.inc()
        found = await self._asking.ask(partial(self._behind, ours), held)
        now = asyncio.get_running_loop().time()
        held.partition.follow(found, self._signing.public, now)
        if self._classes is not None:
            # Whoever sealed it wrote to the topics of classes, too.
            self._classes.doubt(held.number)
        self._tell(held, found[-1][0])

    def _open(self, number: int, incarnation: str) -> Partition:
        marker.need(self._vault.place)
        keys = self._signing.public
        for key in keys:
            self._vault.keep_key(key)
        return Partition.open(self._vault, keys, incarnation, number, self._limits)

    def _behind(self, ours: Seal) -> list[tuple[Seal, list[bytes]]]:
        seals = list(self._vault.seals(ours.log, first=ours.first))
        if not seals:
            raise StoredError(f"{ours.name} is taken, and yet it is not there: look at the vault")
        return [(seal, self._vault.hashes(seal)) for seal in seals]

    def _tell(self, held: Held, seal: Seal) -> None:
        self._witnesses.tell(seal)
        self._rows.tell(seal.log)
        if self._classes is not None:
            self._classes.tell(seal)
        self._metrics.seal_size.labels(str(held.number)).set(seal.end)
        self._metrics.seal_signed.labels(str(held.number)).set(seal.sealed_at)
