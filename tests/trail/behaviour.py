"""From the hook to the verifier, whatever is killed and whatever the broker.

What must be in the vault is computed from what was accepted: the calls of the hook that returned.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from headrace.events.settings import ClickHouseSettings
from tests.archive.rig import PARTITIONS, OnARig
from tests.audit.sources import MORE, POLICY_TEXT, agrees, evidence
from tests.stack.clickhouse import running_clickhouse
from tests.support import wait_until
from tests.trail.agent import said, session, user
from tests.trail.rig import TrailRig, pins, shown, verified


class TrailBehaviour(OnARig):
    rig_class = TrailRig
    policies: Sequence[str] = (POLICY_TEXT + MORE,)
    """Under each of them everything is killed once."""

    @pytest.fixture
    def clickhouse(self, tmp_path: Path) -> Iterator[ClickHouseSettings]:
        """Others seal other topics of the embedded Kafka, whose logs have the same names."""
        with running_clickhouse(tmp_path / "clickhouse") as server:
            yield ClickHouseSettings(server.writer_url)

    async def test_kills_lose_nothing_and_leave_a_whole_vault(self, rig: TrailRig) -> None:
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        draw = random.Random(seed)
        audit, seal = await rig.start(name="audit"), await rig.begin_sealing()
        agent = rig.talk()
        for policy in self.policies:
            await rig.flows(agent)
            rig.pinned = rig.pinned or pins(rig.witness)
            rig.judge_by(policy)  # from the next `audit` on
            for dies in draw.sample(["audit", "seal", "agent"], 3):
                await agent.goes_on(draw.randrange(50, 2000))
                if dies == "audit":
                    audit.kill()
                    audit = await rig.start(name="audit")
                elif dies == "seal":
                    seal.kill()
                    seal = await rig.begin_sealing()
                else:
                    agent = await rig.kill_agent(agent, draw.randrange(50, 500))
        await rig.flows(agent)
        agent.kill()  # its shipper carries on
        await is_all_there(rig)


async def is_all_there(rig: TrailRig) -> None:
    sources = await rig.arrived()
    values = [record.value for source in sources for record in source]
    assert len(values) > len(set(values))  # something was shipped again
    await all_sealed(rig, sources)
    trail = [rig.entries_of(partition) for partition in range(PARTITIONS)]
    is_what_was_accepted(rig, [value for log in trail for _, value in evidence(log, rig.keys)])
    want = Counter(one.leaf for log in trail for one in log)
    report = await asyncio.to_thread(verified, rig.settings, rig.pinned)
    assert report["leaves"] == want.total()
    for log in report["logs"]:
        assert 0 < max(log["pinned"]) < log["size"]

    async def shows_the_same() -> bool:
        return Counter(await shown(rig.clickhouse)) == want

    await wait_until(shows_the_same, 60, interval=0.3, what="the view shows what the vault has")


async def all_sealed(rig: TrailRig, sources: Sequence[Sequence[Any]]) -> None:
    """Wait until the vault has the evidence of each partition: all of it, in order, once."""

    def same() -> bool:
        return len(rig.vault.logs()) == PARTITIONS and all(
            agrees(rig.entries_of(number), source, rig.keys)
            for number, source in enumerate(sources)
        )

    try:
        await wait_until(lambda: asyncio.to_thread(same), 90, interval=0.5, what="all sealed")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{rig.last_words()}") from None


def is_what_was_accepted(rig: TrailRig, values: Sequence[bytes]) -> None:
    events = [json.loads(value) for value in values]
    found = Counter((one["data"]["run"], one["data"]["number"]) for one in events)
    assert set(found.values()) == {1}
    for one in events:
        run, number = one["data"]["run"], one["data"]["number"]
        assert (one["type"], one["data"]) == said(run, number)
        assert (one["session"], one.get("user")) == (session(number), user(number))
    accepted = ((agent.run, number) for agent in rig.agents for number in range(agent.said))
    assert found.keys() >= {one for one in accepted if is_evidence(*said(*one))}


def is_evidence(kind: str, data: dict[str, Any]) -> bool:
    """Whether both policies select it."""
    return kind == "confirmation_resolved" or data.get("tool") == "pay_invoice"
