"""The whole chain as it runs: agents talk, and a vault comes out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.events import topics
from headrace.events.settings import ClickHouseSettings, Settings
from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.keys import open_signing
from headrace.sinks.audit.tree.merkle import leaf_hash
from headrace.sinks.audit.vault.vault import Vault, open_vault
from headrace.sinks.audit.verify import offline
from headrace.sinks.connection import connect
from headrace.streams.audit.fold import Entry
from tests.archive.rig import PARTITIONS, Worker
from tests.audit.rig import ROOT, AuditRig
from tests.support import wait_until

SEAL = ("--seal-seconds", "0.3", "--seal-leaves", "400")


@dataclass
class Agent:
    run: int
    counter: Path
    process: subprocess.Popen[bytes]

    @property
    def said(self) -> int:
        """How many calls of its hook have returned."""
        return int.from_bytes(self.counter.read_bytes()[:8], "little")

    @property
    def shipper(self) -> int:
        return int.from_bytes(self.counter.read_bytes()[8:], "little")

    async def goes_on(self, count: int) -> None:
        """Wait until it has said so much more."""
        goal = self.said + count
        await wait_until(lambda: self.said >= goal, 60, interval=0.01, what="the agent goes on")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@dataclass
class TrailRig(AuditRig):
    agents: list[Agent] = field(default_factory=list)
    pinned: Sequence[Path] = ()
    """What the witness had in the middle."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.witness = self.directory / "witness"
        self.environment["HEADRACE_AUDIT_WITNESSES"] = str(self.witness)
        self.spool = self.directory / "spool"

    @property
    def vault(self) -> Vault:
        return open_vault(self.settings)

    def talk(self) -> Agent:
        """Start the next agent."""
        counter = self.directory / f"counter-{len(self.agents)}"
        counter.write_bytes(bytes(16))
        run = len(self.agents)
        words = (self.kafka, self.prefix, self.spool, self.tenant, run, counter)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.trail.agent", *map(str, words)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self.agents.append(Agent(run, counter, process))
        return self.agents[-1]

    async def flows(self, agent: Agent) -> None:
        """Wait until something of this agent is sealed, and the witness told, of each log."""

        def told() -> bool:
            return len(list(self.witness.glob("*.checkpoint"))) == PARTITIONS

        before = self.sealed()
        await agent.goes_on(1)
        await wait_until(lambda: told() and self.sealed() > before, 60, what="evidence flows")

    def sealed(self) -> int:
        seals = [self.vault.last_seal(log) for log in self.vault.logs()]
        return sum(seal.end for seal in seals if seal is not None)

    # ── deaths ───────────────────────────────────────────────────────────────

    async def kill_agent(self, agent: Agent, more: int) -> Agent:
        """Kill its shipper, then it, then who ships what they left; return who talks next."""
        os.kill(agent.shipper, signal.SIGKILL)
        await agent.goes_on(more)
        agent.kill()
        environment = {
            "PYTHONPATH": str(ROOT),
            "HEADRACE_KAFKA": self.kafka,
            "HEADRACE_TOPIC_PREFIX": self.prefix,
            "HEADRACE_STATE_DIR": str(self.directory),
        }
        dead = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "tests.trail.mortal_shipper", str(self.spool)],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        assert dead.returncode == -signal.SIGKILL
        return self.talk()

    # ── what came of it ──────────────────────────────────────────────────────

    async def arrived(self) -> list[list[Any]]:
        """Wait until agent.events has all that was accepted; return its records by partition."""

        async def all_there() -> list[list[Any]] | None:
            found = await self.read(topics.EVENTS)
            there = {
                (data["run"], data["number"])
                for records in found
                for record in records
                if "run" in (data := json.loads(record.value)["data"])
            }
            accepted = {(one.run, number) for one in self.agents for number in range(one.said)}
            return found if accepted <= there else None

        return await wait_until(all_there, 60, interval=0.5, what="all that was accepted") or []

    def entries_of(self, partition: int) -> list[Entry]:
        (log,) = [one for one in self.vault.logs() if one.endswith(f"-{partition}")]
        return entries(self.vault, log)

    async def begin_sealing(self) -> Worker:
        return await self.start(*SEAL, name="seal")

    async def close(self) -> None:
        for agent in self.agents:
            agent.kill()
        await super().close()


def entries(vault: Vault, log: str) -> list[Entry]:
    """What the vault holds of a log, in order."""
    found: list[Entry] = []
    for seal in vault.seals(log):
        for index, leaf in vault.leaves(seal):
            assert index == len(found)
            found.append(Entry(leaf, leaf_hash(leaf), leaves.read(leaf), index))
    return found


def pins(witness: Path) -> list[Path]:
    """What a witness has by now; it only ever gets more."""
    return sorted(witness.glob("*/*.checkpoint"))


def verified(settings: Settings, pinned: Sequence[Path]) -> dict[str, Any]:
    """What the verifier says, as a program of its own with nothing of ours: that all is whole."""
    keys = settings.state_dir / "pinned.pub"
    keys.write_text("".join(f"{key.line()}\n" for key in open_signing(settings).public))
    vault = settings.state_dir / "audit" / "vault"
    program = [sys.executable, "-I", "-S", offline.__file__, str(vault), "--json"]
    program += ["--key", str(keys), *(f"--since={one}" for one in pinned)]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    assert report["whole"]
    assert report["keys_pinned"]
    return report


async def shown(clickhouse: ClickHouseSettings) -> list[bytes]:
    """The leaves that the view ``audit`` shows."""

    def ask() -> list[bytes]:
        client = connect(clickhouse)
        try:
            rows = client.query("SELECT leaf FROM audit").result_rows
            return [row[0].encode() for row in rows]
        finally:
            client.close()

    return await asyncio.to_thread(ask)
