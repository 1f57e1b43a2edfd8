"""What the split does, whatever the broker: compared with what stands in agent.events."""

from __future__ import annotations

import asyncio
import signal
from functools import partial

from tests.archive.rig import WithoutClickHouse
from tests.audit.rig import AuditRig, some
from tests.audit.sources import MORE, POLICY_TEXT, line, policies_of
from tests.support import wait_until


class SplitBehaviour(WithoutClickHouse):
    rig_class = AuditRig

    async def test_evidence_is_copied_once_and_sealed(self, rig: AuditRig) -> None:
        await rig.produce(some(1, 900))
        await rig.produce(some(1, 300))  # shipped again
        await rig.produce([None, b"no event"], partition=0)
        worker = await rig.start(name="audit")
        logs = await rig.agree()
        assert sum(map(len, logs)) == 3 + 2 * 900 // 5
        assert await worker.metric("headrace_audit_entries_total") == sum(map(len, logs))
        assert await worker.metric("headrace_audit_duplicates_total") == 300
        assert await worker.metric("headrace_audit_unreadable_total") == 2
        # The largest that agent.events takes, in base64 a third longer.
        whole = line(1001, data={"tool": "bash", "outcome": "x" * 900_000})
        await rig.produce([whole, *some(1002, 1100)])
        await rig.agree()
        assert worker.stop() == 0, worker.log.read_text()[-3000:]
        # Another policy judges what comes from now on, and nothing is made again.
        rig.judge_by(POLICY_TEXT + MORE)
        again = await rig.start(name="audit")
        await rig.produce(some(1101, 1200))
        logs = await rig.agree()
        assert [len(policies_of(log)) for log in logs] == [2, 2, 2]
        assert await again.metric("headrace_audit_redone_total") == 0

    async def test_kills_change_nothing(self, rig: AuditRig) -> None:
        for start in (1, 1501):
            worker = await rig.start(name="audit")
            before = await rig.written()
            await rig.produce(some(start, start + 1499))
            await wait_until(partial(more_than, rig, before), 60, what="more evidence")
            producing = asyncio.create_task(rig.produce(some(max(1, start - 500), start + 999)))
            await asyncio.sleep(0)
            worker.kill()
            await producing
        await rig.start(name="audit")
        await rig.agree()

    async def test_who_was_away_and_who_took_over(self, rig: AuditRig) -> None:
        away = await rig.begin()
        await rig.produce(some(1, 600))
        await rig.agree()
        await rig.produce(some(601, 3600))
        away.process.send_signal(signal.SIGSTOP)
        other = await rig.begin()
        await rig.produce(some(3301, 4200))
        await rig.agree()
        away.process.send_signal(signal.SIGCONT)
        await rig.produce(some(4201, 5100))
        await rig.agree()
        await wait_until(away.healthy, 60, what="healthy again")
        assert await asyncio.to_thread(other.stop) == 0, other.log.read_text()[-3000:]
        await rig.produce(some(4801, 5400))
        await rig.agree()


async def more_than(rig: AuditRig, count: int) -> bool:
    return await rig.written() > count
