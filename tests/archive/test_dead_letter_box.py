"""Reading the dead-letter queue ends at the end that it had, whatever is written meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from headrace.cli.commands import dlq
from headrace.events import topics
from headrace.events.settings import KafkaSettings, Settings
from headrace.streams import dead_letters as names
from headrace.streams import topic_admin
from headrace.streams.dead_letter_box import list_letters, with_values
from tests.support import unique

LARGE, VALUE_BYTES = 100, 500_000


def headers(offset: int) -> list[tuple[str, bytes]]:
    return [(names.REASON, b"why"), *names.source_headers("agent.events", 0, offset)]


async def write_batch(producer: AIOKafkaProducer, topic: str, offsets: range) -> None:
    batch = producer.create_batch()
    for offset in offsets:
        batch.append(key=b"s", value=b"{}", timestamp=None, headers=headers(offset))
    await (await producer.send_batch(batch, topic, partition=0))


async def keep_writing(producer: AIOKafkaProducer, topic: str) -> None:
    for offset in range(1_000, 1_000_000):
        await producer.send_and_wait(topic, b"{}", b"s", partition=0, headers=headers(offset))


class ReadsTheBox:
    async def test_it_ends_while_letters_keep_arriving(self, kafka: str, tmp_path: Path) -> None:
        settings = Settings(
            state_dir=tmp_path, kafka=KafkaSettings(kafka), topic_prefix=unique() + "."
        )
        await topic_admin.apply(settings)
        queue = settings.topic(topics.DEAD_LETTERS)
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            await write_batch(producer, queue, range(50))
            await write_batch(producer, queue, range(50, 100))
            assert len(await list_letters(settings)) == 100
            writing = asyncio.create_task(keep_writing(producer, queue))
            try:
                letters = await asyncio.wait_for(list_letters(settings), 30)
            finally:
                writing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writing
        assert {letter.place.offset for letter in letters} >= set(range(100))

    async def test_whatever_headers_others_write(self, kafka: str, tmp_path: Path) -> None:
        settings = Settings(
            state_dir=tmp_path, kafka=KafkaSettings(kafka), topic_prefix=unique() + "."
        )
        await topic_admin.apply(settings)
        queue = settings.topic(topics.DEAD_LETTERS)
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            for strange in (b"", b"x", b"\xff", b"nan", b"inf", b"9" * 17, b"9" * 30):
                told = [(name, strange) for name in (names.CODE, names.FAILED_AT, names.WHOLE)]
                place = names.source_headers("agent.events", 0, len(strange))
                await producer.send_and_wait(queue, b"{}", b"s", headers=[*told, *place])
                await producer.send_and_wait(
                    queue, b"{}", b"s", headers=[(names.SOURCE_TOPIC, strange)]
                )
        letters = await list_letters(settings)
        assert {letter.place.offset for letter in letters} == {0, 1, 3, 17, 30}
        for letter in letters:
            assert (letter.code, letter.failed_at, letter.whole_bytes) == (None, 0.0, None)
            assert dlq._row(letter)

    async def test_a_large_queue_is_never_held_whole(self, kafka: str, tmp_path: Path) -> None:
        settings = Settings(
            state_dir=tmp_path, kafka=KafkaSettings(kafka), topic_prefix=unique() + "."
        )
        await topic_admin.apply(settings)
        queue = settings.topic(topics.DEAD_LETTERS)
        async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
            for offset in range(LARGE):
                value = b"%d" % offset + bytes(VALUE_BYTES)
                await producer.send_and_wait(queue, value, b"s", headers=headers(offset))
        tracemalloc.start()
        letters = await list_letters(settings)
        seen = [
            (letter.place.offset, letter.value[:3].rstrip(b"\0"), len(letter.value))
            async for letter in with_values(settings, letters)
            if letter.value is not None
        ]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert [letter.value for letter in letters] == [None] * LARGE
        expected = [(n, b"%d" % n, len(b"%d" % n) + VALUE_BYTES) for n in range(LARGE)]
        assert sorted(seen) == expected
        assert peak < LARGE * VALUE_BYTES / 2


class TestOnTheEmbeddedBroker(ReadsTheBox):
    pass


@pytest.mark.kafka
class TestOnKafka(ReadsTheBox):
    pass
