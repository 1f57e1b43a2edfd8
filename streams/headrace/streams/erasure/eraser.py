"""The archive's honouring of standing orders: what they cover is not written, and is counted."""

from __future__ import annotations

from typing import NamedTuple

from headrace.events.settings import Settings
from headrace.sinks.base import Sink
from headrace.streams.erasure.ledger import Lines, lines_of
from headrace.streams.erasure.owner import owners_of
from headrace.streams.erasure.standing import StandingOrders
from headrace.streams.gather import Gathered


class Division(NamedTuple):
    """A batch, divided into what is kept and what is not."""

    kept: list[int]
    """Indexes of the values that nobody asked to forget."""
    lines: Lines
    """What the ledgers say of the others."""


class Eraser:
    """For the tasks of one loop."""

    def __init__(self, settings: Settings, erased: Sink, dropped: Sink) -> None:
        """``erased``, ``dropped``: the sinks of the two ledgers."""
        self.erased = erased
        self.dropped = dropped
        self._standing = StandingOrders(settings)

    async def ready(self) -> None:
        """Return once every order is known, however long that takes. Safe to call again."""
        await self._standing.ready()

    def divide(self, gathered: Gathered) -> Division | None:
        """Find what orders cover; None where that is nothing. Decodes only where there are orders.

        Raises what ended the following of orders: nothing may be archived without it.
        """
        orders = self._standing.orders()
        if not orders:
            return None
        match = orders.match
        kept: list[int] = []
        found = []
        for index, owner in enumerate(owners_of(gathered.values)):
            order = match(owner)
            if order is None or owner is None:
                kept.append(index)
            else:
                found.append((order, owner, gathered.values[index] or b""))
        return Division(kept, lines_of(found)) if found else None

    async def close(self) -> None:
        await self._standing.close()
        await self.erased.close()
        await self.dropped.close()
