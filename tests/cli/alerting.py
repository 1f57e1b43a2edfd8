"""Alerts, and where the commands find them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from headrace.events.settings import Settings
from headrace.sinks.notify.delivery_log import DeliveryRecord
from headrace.sinks.notify.notification import Notification
from headrace.streams.alerts.transition import Transition
from headrace.streams.producer import start_producer
from headrace.streams.read_to import read_to
from tests.cli.conftest import Stack

NOW = 1_764_000_000


def alert(tenant: str, name: str, state: str = "firing", **more: Any) -> Transition:
    """An alert of the shipped ToolFailureRate, at 23 % since NOW."""
    group = {"tenant": tenant, "tool": more.pop("tool", "run_sql")}
    made = Transition(
        id=name,
        rule="ToolFailureRate",
        state="firing",
        previous="pending",
        severity="warning",
        tenant=tenant,
        group=group,
        labels={"alertname": "ToolFailureRate", "severity": "warning", **group},
        annotations={"summary": "it fails"},
        value=0.23,
        samples=41.0,
        threshold=0.1,
        comparison="above",
        pane=NOW,
        starts_at=float(NOW),
        ends_at=None if state in {"firing", "pending"} else NOW + 60.0,
        at=NOW + 11.0,
        receivers=("ops",),
        seq=2,
        judged=NOW,
    )
    return replace(made, state=state, **more)  # type: ignore[arg-type]


def delivery(name: str, status: str, receiver: str = "ops", **more: Any) -> DeliveryRecord:
    """A delivery of one alert, queued at NOW."""
    told = Notification(
        receiver, "key", {"tenant": "acme", "alertname": "A"}, ({"id": "a", "seq": 1},)
    )
    return DeliveryRecord(name, told, status, 3, NOW, NOW + 9.0, **more)  # type: ignore[arg-type]


def send(stack: Stack, topic: str, records: Iterable[tuple[str, bytes | None]]) -> None:
    """Write records as the workers do."""
    asyncio.run(_send(stack.settings, topic, records))


async def _send(
    settings: Settings, topic: str, records: Iterable[tuple[str, bytes | None]]
) -> None:
    producer = await start_producer(settings, "test")
    try:
        for key, value in records:
            await producer.send_and_wait(settings.topic(topic), value, key.encode())
    finally:
        await producer.stop()


def written(stack: Stack, topic: str, key: str) -> list[bytes]:
    """Every value that a key of a topic had."""
    return asyncio.run(_written(stack.settings, topic, key.encode()))


async def _written(settings: Settings, topic: str, key: bytes) -> list[bytes]:
    client = AIOKafkaConsumer(**settings.need_kafka().client_kwargs(), auto_offset_reset="earliest")
    await client.start()
    try:
        place = TopicPartition(settings.topic(topic), 0)
        client.assign([place])
        await client.seek_to_beginning(place)
        records = read_to(client, await client.end_offsets([place]))
        return [record.value async for record in records if record.key == key]
    finally:
        await client.stop()
