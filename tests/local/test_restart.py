"""A stack that is stopped and started again loses nothing that a spool still holds."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from types import SimpleNamespace

from headrace.local.stack import LocalStack
from headrace.producers import EventProducer
from tests.local.rows import count
from tests.support import unique, wait_until


async def test_what_kafka_forgot_comes_again_from_the_spool_of_a_dead_producer(
    tmp_path: Path,
) -> None:
    state, session = tmp_path / "state", unique("session")
    async with LocalStack(state, workers=("archive",)) as stack:
        await stack.take_away("archive")
        producer = EventProducer(
            stack.settings.need_kafka(), tenant="acme", spool_dir=state / "spool"
        )
        hook = producer.hook(session=session)
        for n in range(200):
            hook(SimpleNamespace(type="tool_start", data={"n": n}))
        report = await asyncio.to_thread(producer.close, 30)
        assert report.delivered == 201
        assert await count(stack.settings, session) == 0
    async with LocalStack(state, workers=("archive",)) as stack:

        async def there() -> bool:
            return await count(stack.settings, session) == 201

        await wait_until(there, 60)


async def test_what_a_spool_holds_comes_though_kafka_had_to_move(tmp_path: Path) -> None:
    state, session = tmp_path / "state", unique("session")
    async with LocalStack(state, workers=("archive",)) as stack:
        kafka = stack.settings.need_kafka()
    # The stack is down: what the agent says now has only the spool.
    producer = EventProducer(kafka, tenant="acme", spool_dir=state / "spool")
    producer.hook(session=session)(SimpleNamespace(type="tool_start", data={}))
    assert (await asyncio.to_thread(producer.close, 0)).spooled == 2
    host, _, port = kafka.bootstrap_servers.rpartition(":")
    with socket.create_server((host, int(port))):
        async with LocalStack(state, workers=("archive",)) as stack:
            assert stack.settings.need_kafka() != kafka

            async def there() -> bool:
                return await count(stack.settings, session) == 2

            await wait_until(there, 60)
