"""States that survive crashes, zombies and many alerts; deliveries as their topic tells them."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from headrace.sinks.notify.delivery_log import DeliveryRecord
from headrace.streams.notify import deliveries, saved
from headrace.streams.notify.codec import encode_delivery
from headrace.streams.notify.deliveries import KEEP_SECONDS, KafkaDeliveryLog
from headrace.streams.notify.saved import SavedState
from tests.notify.disk import CrashError, Disk
from tests.notify.things import NOW, notification, transition

CHUNK = 1000


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(saved, "latest", made.latest)
    return made


def states(disk: Disk) -> SavedState:
    return SavedState(cast("Any", None), "state", cast("Any", disk), CHUNK)


def state(number: int, size: int = 0) -> bytes:
    filler = random.Random(number).randbytes(size).hex()
    return orjson.dumps({"number": number, "filler": filler})


async def number(disk: Disk) -> int | None:
    found = await states(disk).load()
    return None if found is None else found["number"]


async def test_the_last_whole_state_counts(disk: Disk) -> None:
    writer = states(disk)
    assert await writer.load() is None
    await writer.save(state(1, 2 * CHUNK))
    whole = len(disk.records["state"])
    assert whole > 3
    for writes in range(whole + 1):
        disk.left = writes + 1
        disk.last_lands = False
        with pytest.raises(CrashError):
            await writer.save(state(2, 2 * CHUNK))
        disk.left = 10**9
        assert await number(disk) == (1 if writes < whole else 2)


async def test_a_zombie_is_passed_over(disk: Disk) -> None:
    zombie = states(disk)
    await zombie.load()
    await zombie.save(state(1))
    writer = states(disk)
    await writer.load()
    await writer.save(state(2))
    await zombie.save(state(3))
    assert await number(disk) == 2


async def test_nothing_is_left_of_old_states(disk: Disk) -> None:
    await disk.send("state", b"somebody else's", b"alerts")
    for n in range(5):
        writer = states(disk)
        await writer.load()
        for k in range(3):
            await writer.save(state(10 * n + k, 100))
    assert await number(disk) == 42
    keys = (await disk.latest(None, "state")).keys()
    assert b"alerts" in keys
    assert len(keys) == 3


def delivery(alert: str, at: float = NOW, **changes: Any) -> DeliveryRecord:
    told = notification(transition(alert=alert))
    record = DeliveryRecord(told.delivery_id, told, "queued", 0, at, at, next_at=at)
    return replace(record, **changes)


def log_on(disk: Disk) -> KafkaDeliveryLog:
    return KafkaDeliveryLog(cast("Any", disk), "deliveries", lambda _: None)


def message(offset: int, record: DeliveryRecord) -> SimpleNamespace:
    return SimpleNamespace(offset=offset, key=record.id.encode(), value=encode_delivery(record))


async def test_what_is_read_late_does_not_undo_what_was_written(disk: Disk) -> None:
    log = log_on(disk)
    queued = delivery("a1")
    await log.append(queued)
    await log.append(replace(queued, status="delivered"))
    log.take(disk.records["deliveries"][0])
    found = await log.last(queued.id)
    assert found is not None
    assert (found.status, found.notification.transitions) == ("delivered", ())


async def test_only_what_is_parked_is_asked_for(disk: Disk) -> None:
    log = log_on(disk)
    parked, waits = delivery("a1", status="parked"), delivery("a2", status="retrying")
    log.take(message(0, parked))
    log.take(message(1, waits))
    assert not log.wake.is_set()
    log.take(message(2, replace(waits, status="asked")))
    log.take(message(3, replace(parked, status="asked")))
    assert log.wake.is_set()
    assert log.asked() == [parked.id]
    assert (await log.having({"retrying"})) == [waits]
    log.take(message(4, replace(parked, status="queued")))
    assert log.asked() == []


async def test_what_is_no_delivery_is_passed_over(disk: Disk) -> None:
    log = log_on(disk)
    one = delivery("a1")
    spoilt = [b"", b"[]", b"{", b"null", encode_delivery(one).replace(b'"queued"', b'"lost"')]
    for offset, value in enumerate(spoilt):
        log.take(SimpleNamespace(offset=offset, key=one.id.encode(), value=value))
    log.take(SimpleNamespace(offset=9, key=b"another", value=encode_delivery(one)))
    assert await log.last(one.id) is None
    assert await log.last("another") is None


async def test_old_ones_go(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MOST", 3)
    log = log_on(disk)
    old = [delivery(f"o{n}", NOW - KEEP_SECONDS - 1, status="delivered") for n in range(2)]
    fresh = [delivery(f"f{n}", NOW - n, status="delivered") for n in range(5)]
    parked = [delivery(f"p{n}", n, status="parked") for n in range(5)]
    waiting = [delivery(f"w{n}", 0, status="retrying") for n in range(5)]
    for record in (*old, *fresh, *parked, *waiting):
        await log.append(record)
    await log.sweep(NOW)
    kept = {one.id for one in (*fresh[:3], *parked[2:], *waiting)}
    assert {key.decode() for key in await disk.latest(None, "deliveries")} == kept
    assert {one.id for one in await log.having({"delivered", "parked", "retrying"})} == kept
