"""What a sink is: it takes a batch of records and answers for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from headrace.events.errors import Poison


class SourceRecord(Protocol):
    """One Kafka record, as aiokafka delivers it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...


Refused = Callable[[Poison], None]
"""Is told of each record that will never be accepted, in any order. What it raises (for instance
:class:`~headrace.events.errors.TooManyPoisoned`) ends the write at once."""


class Sink(Protocol):
    """Where batches of events go.

    A sink is used by one task at a time. Offering the same records again is always safe: identity
    removes duplicates.
    """

    async def write(self, records: Sequence[SourceRecord], refused: Refused) -> int:
        """Write the records' values; return how many landed.

        When it returns, each record has either landed or been told to ``refused``. Never blocks
        the loop; bounded by the sink's own timeouts.

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
