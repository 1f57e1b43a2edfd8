"""What the archive does with standing orders, whatever the broker."""

from __future__ import annotations

import asyncio
import time

from aiokafka import AIOKafkaProducer

from headrace.cli.verify.queries import Scope
from headrace.cli.verify.run import Verdict, verify
from headrace.events import topics
from headrace.streams import dead_letter_box
from headrace.streams.erasure.order import Order, mark, records
from tests.archive.rig import OnARig, Rig, Worker
from tests.otlp.spans import span, value
from tests.support import unique, wait_until

SALT = bytes(range(16))
ANN = "ann@example.org"


def order(tenant: str, *sessions: str, user: str = ANN, request: str = "f-1") -> Order:
    marks = frozenset(mark(SALT, "session", tenant, session) for session in sessions)
    return Order(request, tenant, SALT, mark(SALT, "user", tenant, user), marks, time.time())


async def give(rig: Rig, one: Order) -> None:
    async with AIOKafkaProducer(bootstrap_servers=rig.kafka, acks="all") as producer:
        for key, value in records(one):
            await producer.send_and_wait(rig.prefix + "agent.erasures", value, key)


async def account(rig: Rig, *, erased: int) -> Verdict:
    """Wait until the archive has caught up; return what verify says of the tenant."""

    async def caught_up() -> Verdict | None:
        found = await asyncio.to_thread(verify, rig.settings, Scope(tenant=rig.tenant))
        return found if found.totals.erased >= erased and not found.totals.in_flight else None

    found = await wait_until(caught_up, 60, interval=0.3, what="erased and caught up")
    assert found is not None
    return found


class OrdersBehaviour(OnARig):
    async def test_what_orders_cover_is_counted_and_not_written(self, rig: Rig) -> None:
        """One rig for all: a worker takes seconds to join its group."""
        await give(rig, order(rig.tenant, "hers"))
        told = {"reason": "spool_full", "first_seq": 41, "last_seq": 45, "count": 5}
        end = {"reason": "closed", "dropped": {"spool_full": 5}}
        hers = [
            *(rig.line(seq, session="hers", user=ANN) for seq in range(1, 40)),
            rig.line(40, session="hers", type="headrace.dropped", data=told),  # names nobody
            rig.line(46, session="hers", user=ANN, turn=-1),  # ClickHouse would refuse it
            rig.line(47, session="hers", type="headrace.epoch_end", data=end),
        ]
        shared = [
            rig.line(seq, session="shared", user=ANN if seq % 2 else "bob") for seq in range(1, 11)
        ]
        other = [rig.line(seq, session="hers2", user=ANN + "2") for seq in range(1, 6)]
        elsewhere = [rig.line(1, session="hers", user=ANN, tenant=rig.tenant + "2")]
        torn = b'{"v":1,"tenant":"%b","user":"%b","data":{"x' % (rig.tenant.encode(), ANN.encode())
        await rig.produce([*hers, *shared, *other, *elsewhere, torn, b"not json"])
        spans = [
            span(rig.tenant, session="hers", user=""),  # names nobody
            span(rig.tenant, session="shared", user=ANN),
            span(rig.tenant, session="shared", user="bob"),
        ]
        await rig.produce([value(one) for one in spans], topic=rig.prefix + topics.SPANS)
        worker = await rig.start()
        verdict = await account(rig, erased=47 - 5 + 5)
        assert verdict.adds_up, verdict
        assert (verdict.totals.archived, verdict.totals.erased) == (5 + 5, 42 + 5)
        assert verdict.totals.dropped == {"spool_full": 5}
        of_ann = f"user = '{ANN}' AND startsWith(tenant, '{rig.tenant}')"
        assert await rig.scalar(f"SELECT count() FROM events_raw WHERE {of_ann}") == 1
        letters = await dead_letter_box.list_letters(rig.settings)
        values = [one.value async for one in dead_letter_box.with_values(rig.settings, letters)]
        assert values == [b"not json"]
        of_tenant = "FROM otel_traces WHERE tenant = {tenant:String}"

        async def spans_archived() -> bool:
            return int(await rig.scalar(f"SELECT count() {of_tenant}")) == 1

        await wait_until(spans_archived, 60, what="bob's span archived")
        assert await rig.scalar(f"SELECT any(user) {of_tenant}") == "bob"

        async def erased() -> bool:
            return await worker.metric("headrace_archive_erased_total") == 42 + 5 + 1 + 2

        await wait_until(erased, 60, what="erased")
        for table in ("epochs_ledger", "dropped_ledger", "erased_ledger"):
            there = f"SELECT count() FROM {table} WHERE tenant = {{tenant:String}}"
            assert await rig.scalar(f"{there} AND session = 'hers'") == 0
        # Who knows the name finds the account of its session.
        of_session = Scope(tenant=rig.tenant, session="hers")
        found = await asyncio.to_thread(verify, rig.settings, of_session)
        assert (found.totals.accepted, found.totals.erased) == (47, 42)
        await self.check_it_is_honoured_from_when_it_is_read(rig, worker)

    async def check_it_is_honoured_from_when_it_is_read(self, rig: Rig, worker: Worker) -> None:
        """By a worker that is at work, for another tenant."""
        rig.tenant = unique()
        await rig.produce([rig.line(seq, user=ANN) for seq in range(1, 31)])
        await rig.archived(30)
        await give(rig, order(rig.tenant, request="f-2"))
        first = await self.until_honoured(rig, 31)  # and the one before it was erased
        await rig.produce([rig.line(seq, user=ANN) for seq in range(first, 91)])
        # Sent again, as a spool does after a crash: erased now, though the ledger has them.
        await rig.produce([rig.line(seq, user=ANN) for seq in range(1, 11)])
        verdict = await account(rig, erased=92 - first + 10)
        assert verdict.adds_up, verdict
        assert verdict.totals.accepted == 90
        assert verdict.totals.erased == 92 - first + 10
        assert verdict.totals.archived == first - 12
        # Withdrawn, it holds no longer.
        async with AIOKafkaProducer(bootstrap_servers=rig.kafka, acks="all") as producer:
            await producer.send_and_wait(rig.prefix + "agent.erasures", None, b"f-2/0")
        assert worker.stop() == 0  # with its commit: what is read again is archived now
        worker = await rig.start()
        await rig.produce([rig.line(seq, user=ANN) for seq in range(91, 101)])
        await rig.archived(first - 2 + 10)
        await self.check_that_each_is_counted_once(rig, worker)

    async def until_honoured(self, rig: Rig, seq: int) -> int:
        """Send one event after another until one is erased; return the number after it."""
        while True:
            await rig.produce([rig.line(seq, user=ANN)])
            verdict = await wait_until(
                lambda seq=seq: self._taken(rig, seq),  # type: ignore[misc]
                60,
                interval=0.2,
                what="taken",
            )
            seq += 1
            assert verdict is not None
            if verdict.totals.erased:
                return seq

    async def _taken(self, rig: Rig, seq: int) -> Verdict | None:
        found = await asyncio.to_thread(verify, rig.settings, Scope(tenant=rig.tenant))
        return found if found.totals.archived + found.totals.erased >= seq else None

    async def check_that_each_is_counted_once(self, rig: Rig, worker: Worker) -> None:
        """Though workers are killed in the middle."""
        rig.tenant = unique()
        await give(rig, order(rig.tenant, request="f-3"))
        first = await self.until_honoured(rig, 1)
        lines: list[bytes | None] = [
            rig.line(seq, user=ANN if seq % 3 else "bob") for seq in range(first, first + 6000)
        ]
        before = await _erased(rig)
        await rig.produce(lines)
        for _ in range(2):
            await wait_until(lambda: _more(rig, before), 60, what="the first")
            worker.kill()
            worker = await rig.start()
        verdict = await account(rig, erased=4000 + 1)
        assert verdict.adds_up, verdict
        counted = (verdict.totals.archived, verdict.totals.erased)
        assert counted == (2000 + first - 2, 4000 + 1)
        hers = f"SELECT count() FROM events WHERE tenant = {{tenant:String}} AND user = '{ANN}'"
        assert await rig.scalar(hers) == first - 2  # which came before the order was known


async def _erased(rig: Rig) -> int:
    counted = "SELECT count() FROM erased_ledger WHERE tenant = {tenant:String}"
    return int(await rig.scalar(counted))


async def _more(rig: Rig, than: int) -> bool:
    return await _erased(rig) > than
