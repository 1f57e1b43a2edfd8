"""What is said where Kafka is away."""

from __future__ import annotations

import asyncio

from aiokafka.errors import KafkaConnectionError

from headrace.events.settings import KafkaSettings


def explain(kafka: KafkaSettings, error: BaseException) -> str:
    """Say in one line what is wrong with Kafka, and where it does not answer what to do."""
    where = f"Kafka at {kafka.bootstrap_servers}"
    if isinstance(error, (KafkaConnectionError, asyncio.TimeoutError, OSError)):
        return f"{where} does not answer: start it, or correct HEADRACE_KAFKA"
    return f"{where}: {error!r}"
