"""Noticing that a topic was deleted and made anew while it is read."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer

from headrace.events.errors import HeadraceError
from headrace.producers.kafka_log import incarnation_of


async def need_same_log(kafka: AIOKafkaProducer, topic: str, incarnation: str) -> None:
    """Raise :class:`HeadraceError` where the topic is another log than the one that is read.

    Offsets begin anew there, so that all of it would pass for what was read already. Whoever reads
    must begin again: a worker ends, and the next one does. Raises KafkaError where there is no such
    topic, or no answer.
    """
    now = await incarnation_of(kafka, topic)
    if now != incarnation:
        raise HeadraceError(f"{topic} was made anew ({now}, not {incarnation}): begin again")
