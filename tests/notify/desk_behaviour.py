"""What people do with deliveries and silences, whatever the broker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from headrace.events import topics
from headrace.events.errors import HeadraceError, Retryable
from headrace.events.settings import KafkaSettings, Settings
from headrace.sinks.notify.delivery_log import DeliveryRecord
from headrace.streams import topic_admin
from headrace.streams.alerts.silences import silence
from headrace.streams.notify import desk
from headrace.streams.notify.codec import encode_delivery
from headrace.streams.producer import start_producer
from tests.notify.things import NOW, notification, transition
from tests.support import unique


class DeskBehaviour:
    @pytest.fixture
    async def settings(self, kafka: str, tmp_path: Path) -> Settings:
        prefix = unique("desk") + "."
        made = Settings(state_dir=tmp_path, kafka=KafkaSettings(kafka), topic_prefix=prefix)
        await topic_admin.apply(made)
        return made

    async def test_deliveries_are_listed_and_asked_for(self, settings: Settings) -> None:
        first, second = delivery("a1", NOW), delivery("a2", NOW - 5)
        parked = replace(first, status="parked", reason="answered 410 Gone", tries=3, next_at=None)
        values = [(one.id, encode_delivery(one)) for one in (first, parked, second)]
        await write(settings, topics.DELIVERIES, [*values, ("spoilt", b"{}"), ("worse", b"[")])
        assert await desk.list_deliveries(settings) == [second, parked]
        asked = await desk.ask_again(settings, first.id)
        assert asked == replace(parked, status="asked")
        assert await desk.list_deliveries(settings) == [second, asked]
        for nothing in (first.id, second.id, "msg_none"):
            with pytest.raises(HeadraceError, match="no such delivery is parked"):
                await desk.ask_again(settings, nothing)

    async def test_everything_parked_is_asked_for_at_once(self, settings: Settings) -> None:
        made = [delivery(name, NOW + number) for number, name in enumerate(("a1", "a2", "a3"))]
        parked = [replace(one, status="parked", next_at=None) for one in made[:2]]
        values = [(one.id, encode_delivery(one)) for one in (*parked, made[2])]
        await write(settings, topics.DELIVERIES, [*values])
        asked = [replace(one, status="asked") for one in parked]
        assert await desk.ask_all_again(settings) == asked
        assert await desk.list_deliveries(settings) == [*asked, made[2]]
        assert await desk.ask_all_again(settings) == []

    async def test_the_latest_of_each_alert_is_listed(self, settings: Settings) -> None:
        first, then = (transition("firing", seq=seq, judged=1, severity="info") for seq in (1, 2))
        spoilt = first | {"group": ["tenant"]}
        records = [("a1", first), ("a1", then), ("a2", spoilt)]
        await write(settings, topics.ALERTS, [(key, orjson.dumps(one)) for key, one in records])
        assert [one.seq for one in await desk.list_alerts(settings)] == [2]

    async def test_silences_are_written_and_listed(self, settings: Settings) -> None:
        later, sooner = (
            silence('tool="x"', starts_at=at, ends_at=NOW + 99, created_by="", comment="", now=NOW)
            for at in (NOW + 9, NOW)
        )
        await desk.write_silence(settings, later)
        await desk.write_silence(settings, sooner)
        wrong = b'{"id":"x","matchers":"a=1","starts_at":"soon","ends_at":1,"created_by":"",'
        wrong += b'"comment":"","updated_at":1}'
        await write(settings, topics.SILENCES, [("x", wrong), ("y", b"no")])
        assert await desk.list_silences(settings) == [sooner, later]
        ended = replace(sooner, ends_at=NOW + 1, updated_at=NOW + 1)
        await desk.write_silence(settings, ended)
        assert await desk.list_silences(settings) == [ended, later]

    async def test_topics_that_are_not_there_are_named(self, settings: Settings) -> None:
        with pytest.raises(Retryable, match=r"no topic none\.agent\.alerts\.silences"):
            await desk.list_silences(replace(settings, topic_prefix="none."))


async def write(settings: Settings, topic: str, records: list[tuple[str, bytes | None]]) -> None:
    producer = await start_producer(settings, "test")
    try:
        for key, value in records:
            await producer.send_and_wait(settings.topic(topic), value, key.encode())
    finally:
        await producer.stop()


def delivery(alert: str, at: float) -> DeliveryRecord:
    told = notification(transition(alert=alert))
    return DeliveryRecord(told.delivery_id, told, "queued", 0, at, at, next_at=at)
