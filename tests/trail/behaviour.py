"""From the hook to the verifier, whatever is killed and whatever the broker.

What must be in the vault is computed from what was accepted: the calls of the hook that returned.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from headrace.events.settings import ClickHouseSettings
from tests.archive.rig import PARTITIONS
from tests.audit.sources import MORE, POLICY_TEXT, evidence, expected, policies_of
from tests.stack.clickhouse import running_clickhouse
from tests.support import wait_until
from tests.trail.agent import said, session, user
from tests.trail.rig import TrailRig

ALWAYS = {("confirmation_resolved", "bash"), ("tool_complete", "pay_invoice")}
"""Type and tool of what both policies select."""


class TrailBehaviour:
    session_timeout = 6.0

    @pytest.fixture
    def own_clickhouse(self, tmp_path: Path) -> Iterator[ClickHouseSettings]:
        """Others seal other topics of the embedded Kafka, whose logs have the same names."""
        with running_clickhouse(tmp_path / "clickhouse") as server:
            yield ClickHouseSettings(server.writer_url)

    @pytest.fixture
    async def rig(
        self, kafka: str, own_clickhouse: ClickHouseSettings, tmp_path: Path
    ) -> AsyncIterator[TrailRig]:
        rig = TrailRig(kafka, own_clickhouse, tmp_path, self.session_timeout)
        await rig.prepare()
        yield rig
        await rig.close()

    async def test_kills_lose_nothing_and_leave_a_whole_vault(self, rig: TrailRig) -> None:
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        draw = random.Random(seed)
        audit, seal = await rig.start(name="audit"), await rig.begin_sealing()
        agent = rig.talk()
        for policy in (POLICY_TEXT + MORE, POLICY_TEXT):
            await rig.flows(agent)
            rig.judge_by(policy)  # from the next `audit` on
            for dies in draw.sample(["audit", "seal", "agent"], 3):
                await agent.goes_on(draw.randrange(50, 2000))
                if dies == "audit":
                    audit.kill()
                    audit = await rig.start(name="audit")
                elif dies == "seal":
                    seal.kill()
                    if rig.pinned is None:
                        rig.pin()
                    seal = await rig.begin_sealing()
                else:
                    agent = await rig.kill_agent(agent, draw.randrange(50, 500))
        await rig.flows(agent)
        agent.kill()  # its shipper carries on
        await is_all_there(rig)


async def is_all_there(rig: TrailRig) -> None:
    sources = await rig.arrived()
    values = [value for source in sources for value in (record.value for record in source)]
    assert len(values) > len(set(values))  # something was shipped again

    def same() -> bool:
        return len(rig.vault.logs()) == PARTITIONS and all(
            agrees(rig, partition, source) for partition, source in enumerate(sources)
        )

    try:
        await wait_until(lambda: asyncio.to_thread(same), 90, interval=0.5, what="all sealed")
    except AssertionError as error:
        logs = "\n".join(worker.log.read_text()[-1500:] for worker in rig.workers)
        raise AssertionError(f"{error}\n{logs}") from None
    logs = [rig.entries_of(partition) for partition in range(PARTITIONS)]
    assert len({len(policies_of(log)) for log in logs}) == 1
    events = [json.loads(value) for log in logs for _, value in evidence(log, rig.keys)]
    found = Counter((one["data"]["run"], one["data"]["number"]) for one in events)
    assert set(found.values()) == {1}
    for one in events:
        run, number = one["data"]["run"], one["data"]["number"]
        assert (one["type"], one["data"]) == said(run, number)
        assert (one["session"], one.get("user")) == (session(number), user(number))
    assert found.keys() >= {
        (agent.run, number)
        for agent in rig.agents
        for number in range(agent.said)
        if (said(agent.run, number)[0], said(agent.run, number)[1].get("tool")) in ALWAYS
    }
    want = Counter(one.leaf.decode() for log in logs for one in log)
    report = await asyncio.to_thread(rig.verified)
    assert report["leaves"] == sum(want.values())
    for log in report["logs"]:
        assert 0 < max(log["pinned"]) < log["size"]

    async def shows_the_same() -> bool:
        return Counter(await rig.shown()) == want

    await wait_until(shows_the_same, 60, interval=0.3, what="the view shows what the vault has")


def agrees(rig: TrailRig, partition: int, source: list[object]) -> bool:
    """Whether the vault has a partition's evidence: all of it, in order, once."""
    entries = rig.entries_of(partition)
    policies = policies_of(entries)
    if not policies:
        return False
    want = [(one.offset, one.value) for one in expected(source, policies)]
    return evidence(entries, rig.keys) == want
