"""What the alerts processor does, whatever the broker: compared with one engine without a crash."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from headrace.events import topics
from headrace.streams.alerts.records import PaneRecord
from tests.alerts.rig import AlertsRig, alerts_rig
from tests.alerts.support import pane
from tests.archive.rig import Worker
from tests.support import wait_until

RULES = """
[[rule]]
name = "Failing"
ratio = { numerator = ["agent.tool.failures"], denominator = ["agent.tool.calls"] }
window = "30s"
above = 0.5
min_samples = 2
for = "10s"
group_by = ["tool"]
labels = { team = 'a "b" \\ c' }

[[rule]]
name = "Silent"
absent = { of = ["agent.events"], known = "1h" }
window = "1m"
severity = "critical"
"""
TENANTS = [f"tenant-{number}" for number in range(12)]


def calls(tenant: str, start: int, bad: int, *, good: int = 4) -> list[PaneRecord]:
    """Calls of one pane."""
    return [
        pane("agent.tool.calls", start, good, tenant=tenant, tool="a", status="ok"),
        pane("agent.tool.calls", start, bad, tenant=tenant, tool="a", status="error"),
        pane("agent.tool.failures", start, bad, tenant=tenant, tool="a"),
    ]


def trouble(start: int, until: int, seed: int) -> Iterator[PaneRecord]:
    """Calls of many tenants, which go well and badly in stretches of their own."""
    draw = random.Random(seed)
    for tenant in TENANTS:
        bad = 0
        for at in range(start, until, 10):
            bad = draw.choice((0, 9, bad, bad, bad))
            yield from calls(tenant, at, bad)


class AlertsBehaviour:
    session_timeout = 6.0

    @pytest.fixture
    async def rig(self, kafka: str, tmp_path: Path) -> AsyncIterator[AlertsRig]:
        async with alerts_rig(kafka, tmp_path, self.session_timeout, RULES) as rig:
            yield rig

    async def test_an_alert_comes_and_goes(self, rig: AlertsRig) -> None:
        t0 = rig.base
        worker = await rig.start()
        await rig.judged(t0)
        await rig.tell(calls("acme", t0, 9))
        await rig.judged(t0 + 10)
        assert await rig.states("acme") == ["pending"]
        await wait_until(partial(shows, worker, "pending", 1), what="pending at /metrics")
        await rig.tell(calls("acme", t0 + 10, 9))
        await rig.judged(t0 + 20)
        assert await rig.states("acme") == ["pending", "firing"]
        await wait_until(partial(shows, worker, "firing", 1), what="firing at /metrics")
        for at in (t0 + 20, t0 + 30):
            await rig.tell(calls("acme", at, 0, good=50))
        await rig.same(t0, t0 + 40)
        assert await rig.states("acme") == ["pending", "firing", "resolved"]
        fired = next(one for one in (await rig.story()).values() if one.state == "firing")
        assert fired.receivers == ("default",)
        (latest,) = (await rig.latest(topics.ALERTS)).values()
        assert (latest["id"], latest["state"], latest["seq"]) == (fired.id, "resolved", 3)
        assert await worker.metric("headrace_alerts_transitions_total") == 3
        await wait_until(partial(shows, worker, "firing", 0), what="nothing at /metrics")
        # What comes late opens one in a pane that was judged, without a new pane.
        await rig.tell(calls("other", t0 + 10, 9))
        await wait_until(partial(said_of, rig, "other", 1), what="what late data say")
        assert await rig.states("other") == ["pending"]
        assert await worker.metric("headrace_alerts_late_total") == 3
        assert worker.stop() == 0

    async def test_silence_is_told_of_when_nothing_comes_any_more(self, rig: AlertsRig) -> None:
        t0 = rig.base
        await rig.start()
        await rig.judged(t0)
        await rig.tell([pane("agent.events", t0, 1.0, tenant="acme", type="x")])
        await rig.same(t0, t0 + 120)
        assert await rig.states("acme") == ["firing"]

    async def test_kills_change_nothing(self, rig: AlertsRig) -> None:
        t0 = rig.base
        first = await rig.start()
        await rig.judged(t0)
        await rig.tell(list(trouble(t0, t0 + 100, 1)))
        await rig.judged(t0 + 100)
        first.kill()  # with alerts in every state, and everything written
        worker = await rig.start()
        await rig.tell(list(trouble(t0 + 100, t0 + 200, 2)))
        before = len(await rig.story())
        await rig.beat(t0 + 200)
        await wait_until(partial(more_than, rig, before), 60, interval=0.01, what="a transition")
        worker.kill()  # in the middle of the writing, or right behind it
        await rig.tell(list(trouble(t0 + 200, t0 + 300, 3)))
        await rig.start()
        await rig.same(t0, t0 + 300)
        assert len(rig.oracle(t0, t0 + 300)) > 50

    async def test_workers_come_and_go(self, rig: AlertsRig) -> None:
        t0 = rig.base
        first = await rig.start()
        await rig.judged(t0)
        await rig.tell(list(trouble(t0, t0 + 100, 4)))
        await rig.judged(t0 + 50)
        await rig.start()
        await rig.judged(t0 + 100)
        await rig.tell(list(trouble(t0 + 100, t0 + 200, 5)))
        await rig.judged(t0 + 150)
        assert await asyncio.to_thread(first.stop) == 0
        await rig.same(t0, t0 + 200)

    async def test_a_first_start_does_not_page_for_the_past(self, rig: AlertsRig) -> None:
        t0 = rig.base
        await rig.tell([one for at in range(t0, t0 + 100, 10) for one in calls("acme", at, 9)])
        await rig.tell(
            [one for at in range(t0 + 100, t0 + 200, 10) for one in calls("acme", at, 0)]
        )
        await rig.beat(t0 + 100)
        await rig.beat(t0 + 200)
        await rig.start()
        await rig.judged(t0 + 200)
        assert await rig.story() == {}

    async def test_what_ended_while_nobody_judged_is_judged(self, rig: AlertsRig) -> None:
        now = int(time.time()) // 10 * 10
        t0 = rig.base = now - 3900
        worker = await rig.start()
        await rig.tell(calls("long-ago", t0, 9) + calls("gone-on", t0, 9))
        await rig.judged(t0 + 10)
        assert await asyncio.to_thread(worker.stop) == 0
        await rig.tell([one for at in range(t0 + 10, now, 10) for one in calls("gone-on", at, 9)])
        await rig.tell(calls("in-between", t0 + 1800, 9) + calls("just-now", now - 30, 9))
        await rig.start()
        await rig.judged(now)
        story = (await rig.story()).values()
        # Of the panes of an alert that goes on, the clock decides which is the first that pages.
        paged_at = next(one.at for one in story if one.tenant == "gone-on" and one.receivers)
        await rig.same(t0 + 10, now, paged_at)
        paged = {one.tenant for one in story if one.state == "firing" and one.receivers}
        fired = {one.tenant for one in story if one.state == "firing"}
        assert fired == {"long-ago", "gone-on", "in-between", "just-now"}
        assert paged == {"gone-on", "just-now"}

    async def test_from_events_to_an_alert(self, rig: AlertsRig) -> None:
        await rig.start()
        metrics = await rig.rig.start(name="metrics")
        await wait_until(metrics.healthy, 60, what="healthy")
        data = {"tool": "run_sql", "status": "error", "duration_ms": 5}
        now = time.time()
        await rig.rig.produce(
            [
                rig.rig.line(seq, ts=now - 5 + seq / 2, type="tool_complete", data=data)
                for seq in range(1, 50)
            ]
        )
        await wait_until(partial(said_of, rig, rig.rig.tenant, 2), 90, what="an alert")
        assert (await rig.states(rig.rig.tenant))[:2] == ["pending", "firing"]


async def more_than(rig: AlertsRig, number: int) -> bool:
    return len(await rig.story()) > number


async def said_of(rig: AlertsRig, tenant: str, number: int) -> bool:
    return len(await rig.states(tenant)) >= number


async def shows(worker: Worker, state: str, number: int) -> bool:
    _, text = await asyncio.to_thread(worker.get, "/metrics")
    lines = [line for line in text.splitlines() if line.startswith("headrace_alerts{")]
    return sum(f'alertstate="{state}"' in line for line in lines) == number
