"""What headrace takes for granted of any broker."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from headrace.events.settings import KafkaSettings, Settings
from headrace.events.topics import AUDIT, DAY_MS, EVENTS
from headrace.streams import topic_admin
from headrace.streams.audit.class_topics import LEAST_DAYS
from tests.support import unique, wait_until


class BrokerBehaviour:
    @pytest.fixture
    async def settings(self, kafka: str, tmp_path: Path) -> Settings:
        settings = Settings(
            state_dir=tmp_path, kafka=KafkaSettings(kafka), topic_prefix=unique() + "."
        )
        await topic_admin.apply(settings)
        return settings

    async def test_topics_are_made_once(self, settings: Settings) -> None:
        assert await topic_admin.apply(settings) == []
        assert await topic_admin.diff(settings) == []

    async def test_one_session_stays_in_order(self, settings: Settings) -> None:
        values = [b"%d" % number for number in range(500)]
        await _send(settings, b"s-1", values)
        assert [value for key, value in await _read(settings, 500) if key == b"s-1"] == values

    async def test_a_record_of_the_largest_event_goes_through(self, settings: Settings) -> None:
        value = b"x" * settings.max_event_bytes
        await _send(settings, b"s-1", [value])
        assert await _read(settings, 1) == [(b"s-1", value)]

    async def test_a_group_goes_on_where_it_had_committed(self, settings: Settings) -> None:
        await _send(settings, b"s-1", [b"1", b"2", b"3"])
        group = unique("group")
        assert await _consume(settings, group, 2, commit=True) == [b"1", b"2"]
        assert await _consume(settings, group, 1, commit=False) == [b"3"]

    async def test_an_uncommitted_record_comes_again(self, settings: Settings) -> None:
        await _send(settings, b"s-1", [b"1"])
        group = unique("group")
        assert await _consume(settings, group, 1, commit=False) == [b"1"]
        assert await _consume(settings, group, 1, commit=False) == [b"1"]


class TestBroker(BrokerBehaviour):
    """On the embedded broker."""


@pytest.mark.kafka
class TestBrokerOnKafka(BrokerBehaviour):
    """On a real Apache Kafka."""

    async def test_what_differs_is_told_and_set_and_what_others_set_stays(
        self, settings: Settings
    ) -> None:
        topic = settings.topic(EVENTS)
        admin = AIOKafkaAdminClient(**settings.need_kafka().client_kwargs())
        await admin.start()
        try:
            theirs = {"segment.ms": "3600000", "retention.ms": "1000"}
            resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=theirs)
            await admin.alter_configs([resource])
        finally:
            await admin.close()
        wanted = replace(settings, retention_days=3, partitions=settings.partitions + 1)

        # A broker hears of what the controller was told a moment later.
        async def told(what: str) -> bool:
            return f"{topic} {what}" in map(str, await topic_admin.diff(wanted))

        await wait_until(lambda: told(f"has retention.ms = 1000, not {3 * DAY_MS}"))
        assert await told("has 4 partitions, not 5: they are fixed for its life")
        done = await topic_admin.apply(wanted)
        assert topic in {change.topic for change in done}
        same = replace(wanted, partitions=settings.partitions)

        async def as_wanted() -> bool:
            return await topic_admin.diff(same) == []

        await wait_until(as_wanted)
        assert not any(change.fixable for change in await topic_admin.diff(wanted))
        async with topic_admin._admin(settings) as client:
            assert (await topic_admin._configs(client, [topic]))[topic]["segment.ms"] == "3600000"

    async def test_evidence_is_kept_as_long_as_the_policys_longest_class(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        mine = tmp_path / "policy.toml"
        audit = replace(settings.audit, policy=mine)
        topic, wanted = settings.topic(AUDIT), replace(settings, audit=audit)
        for kept, days in (("90 d", 90), ("1 d", LEAST_DAYS)):
            mine.write_text(
                f'[[class]]\nname = "a"\nretention = "{kept}"\nerasable = true\npurpose = "x"\n'
            )
            assert topic in {change.topic for change in await topic_admin.apply(wanted)}

            async def as_wanted() -> bool:
                return await topic_admin.diff(wanted) == []

            await wait_until(as_wanted)
            async with topic_admin._admin(settings) as client:
                found = (await topic_admin._configs(client, [topic]))[topic]
            assert found["retention.ms"] == str(days * DAY_MS)
        assert topic in {change.topic for change in await topic_admin.diff(settings)}

    async def test_each_class_has_a_topic_with_its_own_retention_where_that_is_set(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        mine = tmp_path / "policy.toml"
        audit = replace(settings.audit, policy=mine, topic_per_class=True)
        wanted = replace(settings, audit=audit)
        table = '[[class]]\nname = "{}"\nerasable = true\npurpose = "x"\nretention = "{}"\n'
        others = table.format("b", "indefinite") + table.format("c", "1 d") + "legal_hold = true\n"
        mine.write_text(table.format("a", "7 d") + others)
        await topic_admin.apply(wanted)

        async def as_wanted() -> bool:
            return await topic_admin.diff(wanted) == []

        await wait_until(as_wanted)
        kept = {"": LEAST_DAYS * DAY_MS, ".a": 7 * DAY_MS}
        kept |= {".b": -1, ".c": -1, ".policy": -1}
        names = {settings.topic(AUDIT) + end: str(long) for end, long in kept.items()}
        async with topic_admin._admin(settings) as client:
            found = await topic_admin._configs(client, list(names))
            partitions = {
                one["topic"]: len(one["partitions"])
                for one in await client.describe_topics(list(names))
            }
        assert {name: found[name]["retention.ms"] for name in names} == names
        (most,) = {found[name]["max.message.bytes"] for name in names}
        assert int(most) > settings.max_event_bytes * 4 // 3
        assert partitions == dict.fromkeys(names, settings.partitions)
        # A class that the policy gave up keeps its topic as it is, and that is told.
        mine.write_text(others)
        left = topic_admin.Change(settings.topic(AUDIT) + ".a", topic_admin.LEFT, fixable=False)
        assert await topic_admin.diff(wanted) == [left]
        assert await topic_admin.apply(wanted) == []


@pytest.mark.kafka3
class TestBrokerOnThree(BrokerBehaviour):
    """On three brokers."""


async def _send(settings: Settings, key: bytes, values: list[bytes]) -> None:
    async with AIOKafkaProducer(
        **settings.need_kafka().client_kwargs(),
        acks="all",
        enable_idempotence=False,
        max_request_size=2 * settings.max_event_bytes,
    ) as producer:
        for value in values[:-1]:
            await producer.send(settings.topic(EVENTS), value, key=key)
        await producer.send_and_wait(settings.topic(EVENTS), values[-1], key=key)


async def _read(settings: Settings, count: int) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    topic = settings.topic(EVENTS)
    async with AIOKafkaConsumer(
        **settings.need_kafka().client_kwargs(),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        consumer.assign([TopicPartition(topic, number) for number in range(settings.partitions)])

        async def all_there() -> bool:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.extend((record.key, record.value) for record in records)
            return len(found) >= count

        await wait_until(all_there, 30)
    return found


async def _consume(settings: Settings, group: str, count: int, *, commit: bool) -> list[bytes]:
    async with AIOKafkaConsumer(
        settings.topic(EVENTS),
        **settings.need_kafka().client_kwargs(),
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=3000,
        heartbeat_interval_ms=1000,
    ) as consumer:
        records = [await asyncio.wait_for(consumer.getone(), 30) for _ in range(count)]
        if commit:
            last = records[-1]
            await consumer.commit({TopicPartition(last.topic, last.partition): last.offset + 1})
    return [record.value for record in records]
