"""What people do with alerts, deliveries and silences: look, ask again, write. Not for workers.

Everything here raises :class:`~headrace.events.errors.Retryable` where Kafka is away or its topics
are not there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, TypeVar

import orjson
from aiokafka.errors import KafkaError

from headrace.events import topics
from headrace.events.errors import HeadraceError, Retryable
from headrace.events.settings import Settings
from headrace.sinks.notify.delivery_log import DeliveryRecord
from headrace.streams import away
from headrace.streams.alerts.silences import Silence
from headrace.streams.alerts.transition import Transition
from headrace.streams.compacted import latest
from headrace.streams.notify.codec import (
    decode_delivery,
    decode_silence,
    encode_delivery,
    encode_silence,
)
from headrace.streams.producer import start_producer

ANSWER_SECONDS: Final = 30.0
"""For one reading or writing. A person waits for it."""

T = TypeVar("T")

log = logging.getLogger(__name__)


async def list_alerts(settings: Settings) -> list[Transition]:
    """Return the latest transition of each alert, those that ended among them."""
    return await _read(settings, topics.ALERTS, _alert)


async def list_deliveries(settings: Settings) -> list[DeliveryRecord]:
    """Return what each delivery is now, the one that was queued first first.

    Delivered ones are there for a day.
    """
    found = await _read(settings, topics.DELIVERIES, decode_delivery)
    return sorted(found, key=lambda record: record.first_at)


async def ask_again(settings: Settings, delivery_id: str) -> DeliveryRecord:
    """Ask the worker of ``notify`` to deliver a parked delivery again; return what was written.

    Raises :class:`HeadraceError` where no delivery of that id is parked.
    """
    for record in await list_deliveries(settings):
        if record.id == delivery_id and record.status == "parked":
            asked = replace(record, status="asked")
            await _write(settings, topics.DELIVERIES, {asked.id: encode_delivery(asked)})
            return asked
    raise HeadraceError(f"{delivery_id}: no such delivery is parked")


async def ask_all_again(settings: Settings) -> list[DeliveryRecord]:
    """Ask for every parked delivery again; return what was written."""
    parked = [one for one in await list_deliveries(settings) if one.status == "parked"]
    asked = [replace(one, status="asked") for one in parked]
    await _write(settings, topics.DELIVERIES, {one.id: encode_delivery(one) for one in asked})
    return asked


async def list_silences(settings: Settings) -> list[Silence]:
    """Return every silence, those that ended among them, in the order in which they begin."""
    found = await _read(settings, topics.SILENCES, decode_silence)
    return sorted(found, key=lambda silence: silence.starts_at)


async def write_silence(settings: Settings, silence: Silence) -> None:
    """Write a silence, or a newer version of one; the worker of ``notify`` heeds it from then."""
    await _write(settings, topics.SILENCES, {silence.id: encode_silence(silence)})


def _alert(value: bytes) -> Transition:
    return Transition.from_data(orjson.loads(value))


async def _read(settings: Settings, name: str, decode: Callable[[bytes], T]) -> list[T]:
    topic = settings.topic(name)
    async with _answering(settings):
        values = await asyncio.wait_for(latest(settings.need_kafka(), topic), ANSWER_SECONDS)
    found: list[T] = []
    for key, value in values.items():
        try:
            found.append(decode(value))
        except ValueError as error:
            log.warning("%s: %r is passed over: %s", topic, key, error)
    return found


async def _write(settings: Settings, name: str, values: Mapping[str, bytes]) -> None:
    async with _answering(settings):
        producer = await start_producer(settings, "desk")
        try:
            topic = settings.topic(name)
            for key, value in values.items():
                sending = producer.send_and_wait(topic, value, key.encode())
                await asyncio.wait_for(sending, ANSWER_SECONDS)
        finally:
            await producer.stop()


@asynccontextmanager
async def _answering(settings: Settings) -> AsyncIterator[None]:
    try:
        yield
    except (KafkaError, OSError, asyncio.TimeoutError) as error:
        raise Retryable(away.explain(settings.need_kafka(), error)) from None
