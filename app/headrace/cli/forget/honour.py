"""The standing order: written, and seen to be honoured by every worker of the archive.

Into each partition of agent.events and agent.logs goes a probe: an event of a session of ours that
the order covers. One that is found in the ledger of what was erased was met by a worker that has
the order; all that stood before it has landed. One that was archived came too soon: another is
sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from headrace.cli.archive import Archive
from headrace.cli.faults import CommandError
from headrace.cli.text import one_line
from headrace.events import topics, types
from headrace.events.identity import new_epoch
from headrace.events.settings import Settings
from headrace.streams import away
from headrace.streams.compacted import latest
from headrace.streams.erasure.order import Order, OrderError, decode, records
from headrace.streams.producer import start_producer

NAME: Final = "forget"
POLL_S: Final = 0.2
PERSONAL: Final = (topics.EVENTS, topics.LOGS)


async def orders(settings: Settings, tenant: str) -> list[Order]:
    """Return the records of a tenant's standing orders."""
    found = []
    kept = await latest(settings.need_kafka(), settings.topic(topics.ERASURES))
    for value in kept.values():
        try:
            one = decode(value)
        except OrderError:
            continue
        if one.tenant == tenant:
            found.append(one)
    return found


async def order_and_wait(
    settings: Settings,
    archive: Archive,
    order: Order,
    probe_session: str,
    *,
    patience: float,
    say: Callable[[str], None],
) -> None:
    """Write an order; return once the archive honours it on every partition.

    Raises CommandError where it does not within ``patience`` seconds.
    """
    producer = await _producer(settings)
    try:
        await _give(producer, settings, order)
        await _wait(
            producer,
            settings,
            archive=archive,
            order=order,
            session=probe_session,
            patience=patience,
            say=say,
        )
    except (KafkaError, OSError) as error:
        raise CommandError(one_line(away.explain(settings.need_kafka(), error))) from None
    finally:
        await producer.stop()


async def withdraw(settings: Settings, request: str) -> int:
    """Take a request's order back; return how many records of it there were."""
    topic = settings.topic(topics.ERASURES)
    kept = await latest(settings.need_kafka(), topic)
    keys = [key for key in kept if key.rpartition(b"/")[0] == request.encode()]
    producer = await _producer(settings)
    try:
        for key in keys:
            await producer.send_and_wait(topic, None, key)
    finally:
        await producer.stop()
    return len(keys)


async def _producer(settings: Settings) -> AIOKafkaProducer:
    try:
        return await start_producer(settings, NAME)
    except (KafkaError, OSError) as error:
        raise CommandError(one_line(away.explain(settings.need_kafka(), error))) from None


async def _give(producer: AIOKafkaProducer, settings: Settings, order: Order) -> None:
    topic = settings.topic(topics.ERASURES)
    for key, value in records(order):
        await producer.send_and_wait(topic, value, key)


async def _wait(
    producer: AIOKafkaProducer,
    settings: Settings,
    *,
    archive: Archive,
    order: Order,
    session: str,
    patience: float,
    say: Callable[[str], None],
) -> None:
    waiting = {
        (topic, partition)
        for topic in map(settings.topic, PERSONAL)
        for partition in await producer.partitions_for(topic)
    }
    total, deadline = len(waiting), time.monotonic() + patience
    sent: dict[str, tuple[str, int]] = {}
    """Epochs of probes that are on their way, and the partition of each."""
    while waiting:
        say(f"the archive honours the order on {total - len(waiting)} of {total} partitions")
        for topic, partition in waiting - set(sent.values()):
            epoch = new_epoch()
            value = _probe(order, session, epoch)
            await producer.send_and_wait(topic, value, session.encode(), partition)
            sent[epoch] = topic, partition
        await asyncio.sleep(POLL_S)
        erased, archived = await asyncio.to_thread(_met, archive, order, list(sent))
        waiting -= {sent[epoch] for epoch in erased}
        for epoch in (*erased, *archived):
            del sent[epoch]
        if waiting and time.monotonic() > deadline:
            raise CommandError(
                f"no worker of the archive has honoured the order on {len(waiting)} of {total}"
                f" partitions in {patience:.0f} s: see `headrace status`, then run the same command"
                " again to go on"
            )


def _probe(order: Order, session: str, epoch: str) -> bytes:
    """Make an epoch that has nothing but its end: it leaves nothing open in the accounting."""
    return orjson.dumps(
        {
            "v": 1,
            "tenant": order.tenant,
            "session": session,
            "epoch": epoch,
            "seq": 1,
            "ts": time.time(),
            "type": types.EPOCH_END,
            "data": {"reason": "closed", "dropped": {}},
        }
    )


def _met(archive: Archive, order: Order, epochs: list[str]) -> tuple[set[str], set[str]]:
    """Return which probes were erased, and which were archived."""
    parameters = {"tenant": order.tenant, "epochs": epochs}
    found = {}
    for table in ("erased_ledger", "epochs_ledger"):
        rows = archive.rows(
            f"SELECT DISTINCT epoch FROM {table}"
            " WHERE tenant = {tenant:String} AND epoch IN {epochs:Array(String)}",
            parameters,
        )
        found[table] = {str(row["epoch"]) for row in rows}
    return found["erased_ledger"], found["epochs_ledger"] - found["erased_ledger"]
