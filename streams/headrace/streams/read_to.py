"""Reading partitions up to an end, for people and scripts: it ends whatever else is written."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from headrace.events.errors import Retryable

POLL_MS: Final = 500
SILENCE_MS: Final = 15_000
"""A partition whose leader is elected anew answers within seconds."""


async def read_to(
    client: AIOKafkaConsumer, ends: dict[TopicPartition, int]
) -> AsyncGenerator[Any, None]:
    """Yield the records from the current positions until the ends are passed.

    A fetch brings whole batches, so that the batch in which an end lies (the embedded broker names
    its last batch's first record) is there to its last record. The markers of transactions move a
    position too. Raises :class:`Retryable` where the broker falls silent before.
    """
    silent = 0
    while not await _passed(client, ends):
        batches = await client.getmany(*ends, timeout_ms=POLL_MS)
        silent = 0 if batches else silent + 1
        if silent * POLL_MS > SILENCE_MS:
            raise Retryable("Kafka stopped answering: see `headrace doctor`, then try again")
        for batch in batches.values():
            for record in batch:
                yield record


async def _passed(client: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    return all([await client.position(tp) >= end for tp, end in ends.items()])
