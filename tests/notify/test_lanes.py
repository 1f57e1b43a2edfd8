"""Deliveries through outages, restarts and full queues, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from headrace.events.errors import HeadraceError, Retryable
from headrace.sinks.notify.clock import SystemClock
from headrace.sinks.notify.delivery_log import DeliveryLog, DeliveryRecord, MemoryDeliveryLog
from headrace.sinks.notify.notification import Notification
from headrace.sinks.notify.notifier import Notifier
from headrace.sinks.notify.outcome import Outcome, of_status
from headrace.sinks.notify.receiver import Receiver
from headrace.sinks.notify.schedule import Schedule
from tests.notify.things import NOW, ManualClock, ScriptedSender, notification, transition
from tests.support import wait_until

FAILED = of_status(500)


class Rig:
    """A notifier whose senders do as they are told, and which can be killed and begun again."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.log: DeliveryLog = MemoryDeliveryLog()
        self.senders: dict[str, ScriptedSender] = {}
        self.notifier: Notifier | None = None

    async def begin(self, *names: str, limit: int = 1000, **senders: ScriptedSender) -> Notifier:
        receivers = [Receiver(name, "webhook", ()) for name in names or ("ops",)]
        self.senders = {one.name: senders.get(one.name) or ScriptedSender() for one in receivers}
        self.notifier = Notifier(
            receivers,
            self.log,
            clock=self.clock,
            schedule=Schedule(),
            uniform=lambda _low, high: high,
            sender_of=lambda receiver: self.senders[receiver.name],
            queue_limit=limit,
        )
        await self.notifier.start()
        return self.notifier

    async def kill(self) -> None:
        """End it at once: what it was doing is cut off."""
        assert self.notifier is not None
        await self.notifier.close(0)

    async def record(self, delivery: str, condition: Callable[[DeliveryRecord], Any]) -> Any:
        async def met() -> DeliveryRecord | None:
            found = await self.log.last(delivery)
            return found if found is not None and condition(found) else None

        return await wait_until(met, 10, interval=0.001, what=f"{delivery} is as expected")

    async def status(self, delivery: str, status: str, tries: int) -> DeliveryRecord:
        record: DeliveryRecord = await self.record(
            delivery, lambda found: (found.status, found.tries) == (status, tries)
        )
        return record

    async def idle(self, lanes: int = 1) -> None:
        """Until every lane waits for the clock or for work."""
        await wait_until(lambda: len(self.clock.waits) == lanes, 10, interval=0.001)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    found = Rig()
    yield found
    if found.notifier is not None:
        await found.notifier.close(0)


def numbered(number: int, **more: Any) -> Notification:
    return notification(transition(alert=f"a{number}"), **more)


async def test_it_is_delivered_and_recorded(rig: Rig) -> None:
    notifier = await rig.begin()
    delivery = await notifier.notify(notification())
    record = await rig.status(delivery, "delivered", 1)
    assert (record.reason, record.next_at) == ("answered 200", None)
    assert rig.senders["ops"].ids == [delivery]
    assert notifier.waiting == {"ops": 0}


async def test_tries_follow_the_schedule_under_one_id(rig: Rig) -> None:
    sender = ScriptedSender(FAILED, RuntimeError("hunter2"), FAILED)
    notifier = await rig.begin(ops=sender)
    delivery = await notifier.notify(notification())
    for tries, wait in ((1, 2.0), (2, 4.0), (3, 8.0)):
        record = await rig.status(delivery, "retrying", tries)
        assert record.next_at == rig.clock.now() + wait
        await rig.idle()
        assert rig.clock.waits == [wait]
        rig.clock.advance(wait - 0.5)
        await rig.idle()
        assert len(sender.sent) == tries
        rig.clock.advance(0.5)
    await rig.status(delivery, "delivered", 4)
    assert sender.ids == [delivery] * 4
    assert [message.at - NOW for message in sender.sent] == [0, 2, 6, 14]


async def test_a_senders_bug_is_a_failed_try_and_its_text_is_kept_from_the_log(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    notifier = await rig.begin(ops=ScriptedSender(RuntimeError("hunter2")))
    record = await rig.status(await notifier.notify(notification()), "retrying", 1)
    assert record.reason == "the try ended with RuntimeError"
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text


async def test_retry_after_is_honoured_for_the_whole_receiver(rig: Rig) -> None:
    sender = ScriptedSender(of_status(429, 300.0))
    notifier = await rig.begin(ops=sender)
    first = await notifier.notify(numbered(1, group="g1"))
    record = await rig.status(first, "retrying", 1)
    assert record.next_at == NOW + 302
    second = await notifier.notify(numbered(2, group="g2"))
    for _ in range(5):
        await rig.idle()
        assert rig.clock.waits == [60.0]  # in pieces: a clock that is set is noticed
        rig.clock.advance(60)
    await rig.idle()
    assert sender.ids == [first]
    rig.clock.advance(2)
    await rig.status(first, "delivered", 2)
    await rig.status(second, "delivered", 1)


async def test_a_group_keeps_its_order_and_others_do_not_wait(rig: Rig) -> None:
    sender = ScriptedSender(FAILED)
    notifier = await rig.begin(ops=sender)
    firing = await notifier.notify(notification(transition()))
    await rig.status(firing, "retrying", 1)
    resolved = await notifier.notify(notification(transition("resolved", seq=2)))
    other = await notifier.notify(numbered(9, group="other"))
    await rig.status(other, "delivered", 1)
    await rig.idle()
    assert sender.ids == [firing, other]
    rig.clock.advance(2)
    await rig.status(resolved, "delivered", 1)
    assert sender.ids == [firing, other, firing, resolved]


async def test_what_fails_while_the_next_waits_stays_before_it(rig: Rig) -> None:
    sender = ScriptedSender(FAILED)
    sender.gate = asyncio.Event()
    notifier = await rig.begin(ops=sender)
    firing = await notifier.notify(notification(transition()))
    resolved = await notifier.notify(notification(transition("resolved", seq=2)))
    sender.gate.set()
    await rig.status(firing, "retrying", 1)
    await rig.idle()
    assert sender.ids == [firing]
    rig.clock.advance(2)
    await rig.status(resolved, "delivered", 1)
    assert sender.ids == [firing, firing, resolved]


async def test_one_that_is_given_up_lets_the_next_of_its_group_go(rig: Rig) -> None:
    notifier = await rig.begin(ops=ScriptedSender(of_status(400)))
    first = await notifier.notify(numbered(1))
    second = await notifier.notify(numbered(2))
    await rig.status(first, "parked", 1)
    await rig.status(second, "delivered", 1)
    assert [record.id for record in await notifier.parked()] == [first]


async def test_a_receiver_that_hangs_delays_no_other(rig: Rig) -> None:
    hangs = ScriptedSender()
    hangs.gate = asyncio.Event()
    notifier = await rig.begin("slow", "ops", slow=hangs)
    slow = [await notifier.notify(numbered(n, receiver="slow", group=str(n))) for n in range(50)]
    quick = [await notifier.notify(numbered(n, group=str(n))) for n in range(50)]
    for delivery in quick:
        await rig.status(delivery, "delivered", 1)
    assert notifier.waiting == {"slow": 50, "ops": 0}
    assert len(hangs.sent) == 1
    hangs.gate.set()
    for delivery in slow:
        await rig.status(delivery, "delivered", 1)


async def test_a_full_queue_parks_and_does_not_block(rig: Rig) -> None:
    hangs = ScriptedSender()
    hangs.gate = asyncio.Event()
    notifier = await rig.begin(limit=3, ops=hangs)
    ids = [await notifier.notify(numbered(n)) for n in range(5)]
    parked = await notifier.parked()
    assert [record.id for record in parked] == ids[3:]
    assert {record.reason for record in parked} == {"the receiver's queue is full"}
    hangs.gate.set()
    for delivery in ids[:3]:
        await rig.status(delivery, "delivered", 1)
    await notifier.redeliver(ids[3])
    await rig.status(ids[3], "delivered", 1)
    assert hangs.ids == ids[:4]


async def test_410_disables_until_a_person_says_otherwise(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    sender = ScriptedSender(of_status(410))
    notifier = await rig.begin("ops", "other", ops=sender)
    first = await notifier.notify(numbered(1))
    second = await notifier.notify(numbered(2))
    await rig.status(first, "parked", 1)
    await rig.status(second, "parked", 0)
    third = await notifier.notify(numbered(3))
    record = await rig.status(third, "parked", 0)
    assert record.reason.startswith("the receiver is disabled: answered 410 Gone")
    assert set(notifier.disabled) == {"ops"}
    assert "receiver ops is disabled" in caplog.text
    other = await notifier.notify(numbered(4, receiver="other"))
    await rig.status(other, "delivered", 1)
    assert sender.ids == [first]
    await notifier.redeliver(second)
    await rig.status(second, "delivered", 1)
    assert notifier.disabled == {}


async def test_a_day_of_failures_ends_and_can_be_delivered_again(rig: Rig) -> None:
    sender = ScriptedSender(*[FAILED] * 1000)
    notifier = await rig.begin(ops=sender)
    delivery = await notifier.notify(notification())
    await rig.idle()
    while rig.clock.waits[0] < float("inf"):  # None: nothing is left to wait for
        rig.clock.advance(rig.clock.waits[0])
        await rig.idle()
    record = await rig.status(delivery, "parked", len(sender.sent))
    assert record.reason == "given up after 24 h: answered 500"
    assert 24 * 3600 - 600 <= rig.clock.now() - NOW <= 24 * 3600
    assert record.tries > 140
    sender.script.clear()
    sender.script.append(FAILED)
    await notifier.redeliver(delivery)
    await rig.status(delivery, "retrying", 1)
    await rig.idle()
    rig.clock.advance(2)
    await rig.status(delivery, "delivered", 2)
    assert set(sender.ids) == {delivery}


async def test_only_what_is_parked_is_redelivered(rig: Rig) -> None:
    notifier = await rig.begin()
    delivery = await notifier.notify(notification())
    await rig.status(delivery, "delivered", 1)
    for wrong in (delivery, "msg_none"):
        with pytest.raises(HeadraceError, match=f"{wrong}: no such delivery is parked"):
            await notifier.redeliver(wrong)
    gone = await notifier.notify(notification(receiver="gone"))
    assert (await rig.status(gone, "parked", 0)).reason == "no receiver has this name"
    with pytest.raises(HeadraceError, match="its receiver is not in the receivers' file"):
        await notifier.redeliver(gone)


async def test_the_same_transitions_are_delivered_once(rig: Rig) -> None:
    notifier = await rig.begin(ops=(sender := ScriptedSender(FAILED)))
    ids = {await notifier.notify(notification()) for _ in range(3)}
    (delivery,) = ids
    await rig.status(delivery, "retrying", 1)
    await notifier.notify(notification())
    await rig.idle()
    rig.clock.advance(2)
    await rig.status(delivery, "delivered", 2)
    await notifier.notify(notification())
    again = await notifier.notify(notification(transition(seq=2)))
    await rig.status(again, "delivered", 1)
    assert sender.ids == [delivery, delivery, again]


async def test_what_nobody_wants_to_hear_is_not_sent(rig: Rig) -> None:
    notifier = await rig.begin()
    quiet = await notifier.notify(notification(transition("pending"), transition("inactive", "b")))
    assert await rig.log.last(quiet) is None
    assert notifier.waiting == {"ops": 0}


async def test_a_killed_process_loses_nothing(rig: Rig) -> None:
    """Killed in a try, between tries and before any: the next one goes on, with the same ids."""
    cut = ScriptedSender(FAILED)
    notifier = await rig.begin(ops=cut)
    waits = await notifier.notify(numbered(1, group="g1"))
    await rig.status(waits, "retrying", 1)
    cut.gate = asyncio.Event()
    under_way = await notifier.notify(numbered(2, group="g2"))
    await wait_until(lambda: under_way in cut.ids)
    untried = await notifier.notify(numbered(3, group="g3"))
    behind = await notifier.notify(notification(transition("resolved", "a2", 2), group="g2"))
    await rig.kill()
    assert cut.closed
    assert cut.ids == [waits, under_way]

    sender = ScriptedSender()
    notifier = await rig.begin(ops=sender)
    for number, group in ((1, "g1"), (2, "g2"), (3, "g3")):  # read again, as after any crash
        await notifier.notify(numbered(number, group=group))
    for delivery in (under_way, untried, behind):
        await rig.status(delivery, "delivered", 1)
    assert waits not in sender.ids  # its wait goes on
    await rig.idle()
    rig.clock.advance(2)
    await rig.status(waits, "delivered", 2)
    assert sorted(sender.ids) == sorted([waits, under_way, untried, behind])
    assert sender.ids.index(under_way) < sender.ids.index(behind)


async def test_what_a_removed_receiver_had_waiting_is_parked(rig: Rig) -> None:
    notifier = await rig.begin(ops=ScriptedSender(FAILED))
    delivery = await notifier.notify(notification())
    await rig.status(delivery, "retrying", 1)
    await rig.kill()
    await rig.begin("another")
    record = await rig.status(delivery, "parked", 1)
    assert record.reason == "no receiver has this name any more"


async def test_closing_lets_a_try_end(rig: Rig) -> None:
    sender = ScriptedSender()
    sender.gate = asyncio.Event()
    notifier = await rig.begin(ops=sender)
    delivery = await notifier.notify(notification())
    later = await notifier.notify(numbered(2))
    await wait_until(lambda: sender.sent)
    closing = asyncio.create_task(notifier.close(30))
    await asyncio.sleep(0)
    sender.gate.set()
    await closing
    await rig.status(delivery, "delivered", 1)
    await rig.status(later, "queued", 0)
    assert sender.closed
    await notifier.close()


class Failing(MemoryDeliveryLog):
    """Takes no record while it is told so."""

    failing = False

    async def append(self, record: DeliveryRecord) -> None:
        if self.failing:
            raise Retryable("Kafka is away")
        await super().append(record)


async def test_a_log_that_is_away(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.log = log = Failing()
    sender = ScriptedSender()
    sender.gate = asyncio.Event()
    notifier = await rig.begin(ops=sender)
    told = await notifier.notify(numbered(1))
    await wait_until(lambda: sender.sent)
    log.failing = True
    with pytest.raises(Retryable):
        await notifier.notify(numbered(2))
    sender.gate.set()
    await wait_until(lambda: notifier.waiting == {"ops": 0})
    await wait_until(lambda: "is not recorded: Retryable" in caplog.text)
    log.failing = False
    second = await notifier.notify(numbered(2))
    await rig.status(second, "delivered", 1)
    assert sender.ids == [told, second]
    await rig.kill()
    # The outcome was not recorded: told once more, under the id by which a receiver knows it.
    again = ScriptedSender()
    await rig.begin(ops=again)
    await rig.status(told, "delivered", 1)
    assert again.ids == [told]


async def test_senders_close_when_nothing_was_started() -> None:
    sender = ScriptedSender()
    receivers = [Receiver("ops", "webhook", ())]
    notifier = Notifier(receivers, MemoryDeliveryLog(), sender_of=lambda _: sender)
    await notifier.close()
    assert sender.closed


@pytest.mark.parametrize("ticks", range(5))
async def test_a_wait_loses_no_cancellation(ticks: int) -> None:
    """One that comes as the event does: a lane that missed it would never end."""
    event = asyncio.Event()
    waiting = asyncio.create_task(SystemClock().wait(event, 60))
    await asyncio.sleep(0)
    event.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    taken = waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled() == taken


def test_outcomes_compare_by_what_they_say() -> None:
    assert of_status(503, 3.0) == Outcome("retry", "answered 503", 3.0)


async def test_a_lane_that_a_fault_ended_says_so() -> None:
    def faulty(_low: float, _high: float) -> float:
        raise RuntimeError("a fault")

    notifier = Notifier(
        [Receiver("ops", "webhook", ())],
        MemoryDeliveryLog(),
        clock=ManualClock(),
        uniform=faulty,
        sender_of=lambda _: ScriptedSender(FAILED),
    )
    await notifier.start()
    notifier.check()
    await notifier.notify(notification())

    def ended() -> bool:
        try:
            notifier.check()
        except RuntimeError:
            return True
        return False

    await wait_until(ended, 10, interval=0.001, what="the fault is told")
    with pytest.raises(RuntimeError, match="a fault"):
        await notifier.close()
