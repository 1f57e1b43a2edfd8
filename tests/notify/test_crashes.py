"""A crash at every single write: what was queued is queued once, and nothing is forgotten.

Kafka is a list of records here, and the worker dies before or after any of them. Then another one
goes on, later, when more alerts have come: what was told must not be told in another grouping.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from headrace.events import topics
from headrace.events.settings import KafkaSettings, Settings
from headrace.sinks.notify.notifier import Notifier
from headrace.sinks.notify.receiver import Receiver
from headrace.streams.alerts.rules import loads
from headrace.streams.notify import duty as duty_module
from headrace.streams.notify import parts as parts_module
from headrace.streams.notify import saved
from headrace.streams.notify.deliveries import KafkaDeliveryLog
from headrace.streams.notify.duty import Duty
from headrace.streams.notify.lead import Lead, LeadLostError
from headrace.streams.notify.parts import Parts, load
from headrace.streams.notify.saved import SavedState
from headrace.streams.notify.silences_feed import SilencesFeed
from headrace.streams.notify.tally import Tally
from headrace.streams.notify.teller import Teller
from headrace.streams.worker_metrics import Metrics
from tests.notify.disk import CrashError, Disk
from tests.notify.things import NOW, ManualClock, ScriptedSender, transition

RULES = loads('[grouping]\nby = ["tenant"]\nwait = "0s"\ninterval = "10s"\nrepeat = "1h"')


SETTINGS = Settings(state_dir=Path("/nowhere"), kafka=KafkaSettings("127.0.0.1:9"))


@pytest.fixture(autouse=True)
def the_log_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    async def need_same_log(*_: object) -> None:
        """There is no broker to ask."""

    monkeypatch.setattr(duty_module, "need_same_log", need_same_log)


async def worker(disk: Disk, clock: ManualClock, end: int = 0, log: str = "log") -> Duty:
    """One whose log ended there when it began."""
    producer = cast("Any", disk)
    tally = Tally(Metrics(), clock.now)
    deliveries = KafkaDeliveryLog(producer, "deliveries", tally.settled)
    lead = Lead(producer, "deliveries")
    disk.follow("deliveries", deliveries.take)
    disk.follow("deliveries", lead.take)
    feed = SilencesFeed("silences")
    notifier = Notifier(
        [Receiver("ops", "webhook", ())],
        deliveries,
        clock=clock,
        sender_of=lambda _: ScriptedSender(),
    )
    state = SavedState(cast("Any", None), "state", producer, 1000)
    teller = Teller(RULES, ["ops"], feed.silences, 10_000)
    parts = Parts(
        SETTINGS,
        producer,
        state,
        deliveries,
        lead,
        feed,
        cast("Any", ()),
        notifier,
        teller,
        tally,
        log,
        10_000,
        AsyncExitStack(),
    )
    await lead.claim()
    duty = Duty(parts, await load(parts, clock.now()), end, clock.now)
    await duty._save()
    return duty


def news(offset: int, alert: str, state: str, seq: int) -> SimpleNamespace:
    labels = {"tenant": "zenith" if alert == "a3" else "acme", "alertname": alert}
    value = transition(state, alert, seq, labels=labels)
    return SimpleNamespace(offset=offset, value=orjson.dumps(value))


LOG = [
    news(0, "a1", "firing", 1),
    news(1, "a2", "firing", 1),
    news(2, "a1", "resolved", 2),
    news(3, "a3", "firing", 1),
]


async def live(disk: Disk, clock: ManualClock, at_a_time: int) -> None:
    """Read the log in steps of so many records, each told before the next comes."""
    duty = await worker(disk, clock)
    await duty._pass()
    while duty.offset < len(LOG):
        duty.take(LOG[duty.offset : duty.offset + at_a_time])
        await duty._pass()
        clock.advance(11)
    await duty._pass()


def queued(disk: Disk) -> list[dict[str, Any]]:
    """What was queued, in order: claims have no value."""
    written = disk.records.get("deliveries", [])
    return [orjson.loads(one.value) for one in written if one.value is not None]


MOST = 60
POINTS = [(writes, lands) for writes in range(1, MOST) for lands in (True, False)]


@pytest.mark.parametrize(("writes", "lands"), POINTS)
async def test_a_crash_at_any_write(
    writes: int, lands: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, clock = Disk(left=writes, last_lands=lands), ManualClock(NOW)
    monkeypatch.setattr(saved, "latest", disk.latest)
    crashed = False
    try:
        await live(disk, clock, 1)
    except CrashError:
        crashed = True
    clock.advance(30)
    disk.left = 10**9
    await live(disk, clock, len(LOG))

    # Of each notification of a group one delivery was queued.
    told: dict[tuple[str, int], set[str]] = {}
    news_told: set[tuple[str, int]] = set()
    for delivery in queued(disk):
        told.setdefault((delivery["group_key"], delivery["number"]), set()).add(delivery["id"])
        news_told |= {(alert, seq) for alert, seq in delivery["ids"]}
    assert all(len(ids) == 1 for ids in told.values()), told
    assert {("a2", 1), ("a3", 1)} <= news_told
    # The end of a1 is told exactly where its beginning was.
    state = await SavedState(cast("Any", None), "state", cast("Any", disk), 1000).load()
    assert state is not None
    # What was queued days ago, and is forgotten since, must not be queued again.
    assert state["outbox"] == []
    assert (("a1", 1) in news_told) == (("a1", 2) in news_told)
    if not crashed:
        assert {("a1", 1), ("a1", 2)} <= news_told


async def test_nothing_is_told_before_the_log_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """An alert that fired and ended while nobody read is told to nobody."""
    disk, clock = Disk(), ManualClock(NOW)
    monkeypatch.setattr(saved, "latest", disk.latest)
    duty = await worker(disk, clock, end=3)
    for number, record in enumerate(LOG[:3]):
        assert queued(disk) == [], number
        duty.take([record])
        await duty._pass()
    assert [one["ids"] for one in queued(disk)] == [[["a2", 1]]]


async def test_what_a_log_said_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded Kafka forgets the log, maybe before an end was read there."""
    disk, clock = Disk(), ManualClock(NOW)
    monkeypatch.setattr(saved, "latest", disk.latest)
    monkeypatch.setattr(parts_module, "latest", disk.latest)
    before = await worker(disk, clock)
    before.take(LOG[:2])
    await before._pass()
    disk.records[topics.ALERTS] = [
        SimpleNamespace(key=b"x", value=b"{"),
        SimpleNamespace(key=b"a1", value=LOG[2].value),
        SimpleNamespace(key=b"a2", value=LOG[1].value),
    ]
    clock.advance(30)
    after = await worker(disk, clock, log="another")
    assert after.offset == 0
    await after._pass()
    assert [one["ids"] for one in queued(disk)] == [[["a1", 1], ["a2", 1]], [["a1", 2], ["a2", 1]]]


async def test_who_was_away_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would tell both alerts under the number under which the other told the first."""
    disk, clock = Disk(), ManualClock(NOW)
    monkeypatch.setattr(saved, "latest", disk.latest)
    zombie = await worker(disk, clock)
    other = await worker(disk, clock)
    other.take(LOG[:1])
    await other._pass()
    zombie.take(LOG[:2])
    with pytest.raises(LeadLostError):
        await zombie._pass()
    clock.advance(11)
    other.take(LOG[1:2])
    await other._pass()
    told = [(one["number"], one["ids"]) for one in queued(disk)]
    assert told == [(1, [["a1", 1]]), (2, [["a1", 1], ["a2", 1]])]


async def test_who_lost_the_lead_waits_for_the_rebalance(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, clock = Disk(), ManualClock(NOW)
    monkeypatch.setattr(saved, "latest", disk.latest)
    monkeypatch.setattr(duty_module, "LOST_SECONDS", 0)
    zombie = await worker(disk, clock)
    await worker(disk, clock)
    zombie.take(LOG[:1])
    failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
    zombie.start(failed.set_result)
    assert "is not taken from us" in str(await failed)
    saves = len(disk.records["state"])
    await zombie.close()
    assert len(disk.records["state"]) == saves
    assert queued(disk) == []


async def test_a_fault_saves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have come when half of what is due counted as told."""
    disk, clock = Disk(), ManualClock(NOW)
    monkeypatch.setattr(saved, "latest", disk.latest)
    duty = await worker(disk, clock)
    duty.take(LOG[:2])

    def due(_now: float) -> bool:
        raise RuntimeError("a fault")

    monkeypatch.setattr(duty._parts.teller, "due", due)
    failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
    duty.start(failed.set_result)
    assert str(await failed) == "a fault"
    saves = len(disk.records["state"])
    await duty.close()
    assert len(disk.records["state"]) == saves


def test_the_crashes_reach_the_end() -> None:
    """The last crash point lies behind the last write, so that every write was one."""
    disk, clock = Disk(), ManualClock(NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved, "latest", disk.latest)
        asyncio.run(live(disk, clock, 1))
    assert 20 < sum(map(len, disk.records.values())) < MOST
