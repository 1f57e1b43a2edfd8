"""What stands in the view ``metrics`` is what the events say, whatever was sent twice or killed."""

from __future__ import annotations

import asyncio
import math
import time
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from aiokafka import AIOKafkaProducer

from headrace.events.metrics import METRICS
from headrace.sinks.connection import connect
from tests.archive.rig import PARTITIONS, OnARig, Rig
from tests.metrics.agents import Sent, sessions
from tests.metrics.recount import NOT_RECOUNTED, RECOUNTS, Series, Value, recount, view
from tests.support import wait_until

T = TypeVar("T")


class RecountBehaviour(OnARig):
    async def test_every_metric_is_what_a_recount_in_sql_finds(self, rig: Rig) -> None:
        began = time.time() // 3600 * 3600 - 7200
        lives = [
            *sessions(rig.tenant + "-a", began, 6, seed=1),
            *sessions(rig.tenant + "-b", began, 4, seed=2),
        ]
        firsts = [life[: len(life) // 2] for life in lives]
        await produce(rig, chain(*firsts))
        workers = [await rig.start(name="metrics"), await rig.start()]
        await wait_until(lambda: number(rig, "events"), 60, what="the first events")
        await wait_until(lambda: number(rig, "metrics"), 60, what="the first panes")
        for worker in workers:
            worker.kill()
        # Shipped once more, as after a crash of the shipper, and what comes behind it.
        await produce(rig, chain(*(life[len(life) // 3 :] for life in lives)))
        for name in ("metrics", "archive"):
            await rig.start(name=name)
        total = sum(map(len, lives))
        await wait_until(partial(is_number, rig, "events", total), 60, what="all events archived")
        found = await asked(rig, recount)
        assert {series.metric for series in found} == METRICS.keys() - NOT_RECOUNTED
        errors = {one.labels[-1] for one in found if one.metric == "agent.llm.errors"}
        assert errors == {"5xx", "4xx", "timeout", "connection", "other"}
        try:
            await wait_until(partial(agree, rig, found), 60, what="panes like the recount")
        except AssertionError as error:
            told = await asked(rig, view)
            wrong = [
                (series, told.get(series), found.get(series))
                for series in told.keys() | found.keys()
                if not same(told.get(series), found.get(series))
            ]
            raise AssertionError(f"{error}: {len(wrong)} differ: {sorted(wrong)[:5]}") from None

    def test_every_metric_has_a_recount(self) -> None:
        assert RECOUNTS.keys() == METRICS.keys() - NOT_RECOUNTED


async def produce(rig: Rig, records: Iterable[Sent]) -> None:
    """Send records with their timestamps, a session's to its partition."""
    producer = AIOKafkaProducer(bootstrap_servers=rig.kafka, linger_ms=5, acks="all")
    async with producer:
        for one in records:
            key = one.session.encode()
            place = zlib.crc32(key) % PARTITIONS
            await producer.send(
                rig.topic, one.value, key, partition=place, timestamp_ms=one.arrived_ms
            )
        await producer.flush()


async def asked(rig: Rig, question: Callable[[Any, str], T]) -> T:
    def ask() -> T:
        client = connect(rig.clickhouse)
        try:
            return question(client, rig.tenant)
        finally:
            client.close()

    return await asyncio.to_thread(ask)


async def number(rig: Rig, table: str) -> int:
    where = "WHERE startsWith(tenant, {tenant:String})"
    return int(await rig.scalar(f"SELECT count() FROM {table} {where}"))


async def is_number(rig: Rig, table: str, count: int) -> bool:
    return await number(rig, table) == count


async def agree(rig: Rig, found: dict[Series, Value]) -> bool:
    told = await asked(rig, view)
    return told.keys() == found.keys() and all(same(told[one], found[one]) for one in found)


def same(told: Value | None, found: Value | None) -> bool:
    """Whether they are equal; sums of thousandths may differ by their rounding."""
    if told is None or found is None:
        return told is found
    close = math.isclose(told[1], found[1], rel_tol=1e-12, abs_tol=1e-12)
    return close and (told[0], told[2]) == (found[0], found[2])
