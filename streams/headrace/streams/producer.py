"""The Kafka producer of a processor that writes beside what Faust sends."""

from __future__ import annotations

from typing import Final

from aiokafka import AIOKafkaProducer

from headrace.events.settings import Settings

REQUEST_TIMEOUT_MS: Final = 30_000
"""A healthy cluster acknowledges in milliseconds, one that elects a leader in seconds."""


async def start_producer(
    settings: Settings, name: str, *, max_batch_bytes: int = 16_384, idempotent: bool = False
) -> AIOKafkaProducer:
    """Start a producer whose sends are done once every in-sync replica has them.

    ``max_batch_bytes``: of a batch of several records. ``idempotent``: what it sends again is
    there once; the embedded broker knows no such thing. Raises KafkaError or OSError where Kafka is
    away.
    """
    producer = AIOKafkaProducer(
        **settings.need_kafka().client_kwargs(),
        client_id=f"headrace-{name}",
        acks="all",
        enable_idempotence=idempotent,
        linger_ms=5,
        max_batch_size=max_batch_bytes,
        max_request_size=settings.max_event_bytes + 131_072,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer
