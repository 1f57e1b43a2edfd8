"""What a sink is: it takes a batch of values and answers for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from headrace.events.errors import Poison

Values = Sequence["bytes | None"]
"""The values of Kafka records, as their producers wrote them. None: a record without a value."""

Refused = Callable[[int, Poison], None]
"""Is told of each value that will never be accepted: its index in the batch and why, in any order.
What it raises (for instance :class:`~headrace.events.errors.TooManyPoisoned`) ends the write."""


class Sink(Protocol):
    """Where batches of events go.

    A sink is used by one task at a time. Offering the same values again is always safe: identity
    removes duplicates.
    """

    async def write(self, values: Values, refused: Refused) -> int:
        """Write the values; return how many landed.

        When it returns, each has either landed or been told to ``refused``; a None only where it
        is a fault. Never blocks the loop; bounded by the sink's own timeouts.

        Raises :class:`~headrace.events.errors.Retryable` where the batch may succeed later as it
        is (some of it may have landed, some may have been told to ``refused``).
        """
        ...

    async def healthy(self) -> bool:
        """Whether the destination answers now. Never raises, takes at most a few seconds."""
        ...

    async def close(self) -> None:
        """Release connections. Safe to call twice."""
        ...
