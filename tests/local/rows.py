"""Send events to a stack and ask its ClickHouse for them, without headrace's own clients."""

from __future__ import annotations

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer

from headrace.events.settings import Settings
from headrace.events.topics import EVENTS


async def send(settings: Settings, session: str, seqs: range, *, tenant: str = "acme") -> None:
    """Send events of one epoch; returns once the broker has acknowledged them."""
    kafka = settings.need_kafka().bootstrap_servers
    async with AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", enable_idempotence=False
    ) as producer:
        for seq in seqs:
            event = {"v": 1, "tenant": tenant, "session": session, "epoch": "0123456789abcdef"}
            event |= {"seq": seq, "ts": 1.7e9 + seq, "type": "tool_start", "data": {"n": seq}}
            await producer.send_and_wait(
                settings.topic(EVENTS), orjson.dumps(event), key=session.encode()
            )


async def query(url: str, sql: str) -> str:
    """Return what ClickHouse says to a query; raises where it refuses or is away."""
    url = url.removesuffix("/headrace")
    limit = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=limit) as client, client.post(url, data=sql) as answer:
        text = await answer.text()
        if answer.status != 200:
            raise aiohttp.ClientError(text)
        return text


async def count(settings: Settings, session: str) -> int:
    """How many events of a session the readers' view shows; -1 while ClickHouse is away."""
    url = settings.need_clickhouse().url
    try:
        sql = f"SELECT count() FROM headrace.events WHERE session = '{session}'"
        return int(await query(url, sql))
    except (aiohttp.ClientError, OSError, TimeoutError):
        return -1
