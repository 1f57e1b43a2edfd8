"""Stopping a consumer to the end, whatever its broker does."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer and its client. Raises nothing but the caller's own cancellation.

    Where a broker has gone, aiokafka's stop() ends half-way with the CancelledError of a request of
    its own: its caller would seem to be cancelled, and the client would live on.
    """
    await asyncio.gather(consumer.stop(), return_exceptions=True)
    await consumer._client.close()  # noqa: SLF001 - stop() alone knows of it
