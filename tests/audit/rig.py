"""The split as it runs: events go into agent.events, evidence comes out in agent.audit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headrace.events import topics
from headrace.sinks.audit.keys import ensure_local, open_keys
from headrace.streams.audit.fold import Entry
from tests.archive.rig import Rig, Worker
from tests.audit.log import accepted
from tests.audit.sources import POLICY_TEXT, agrees, line
from tests.support import wait_until

ROOT = Path(__file__).parents[2]


@dataclass
class AuditRig(Rig):
    program: str = "tests.audit.worker"

    def __post_init__(self) -> None:
        self.environment["PYTHONPATH"] = str(ROOT)
        ensure_local(self.settings)
        self.keys = open_keys(self.settings)
        self.judge_by(POLICY_TEXT)

    def judge_by(self, text: str) -> None:
        """Give the next workers a policy."""
        path = self.directory / "policy.toml"
        path.write_text(text)
        self.environment["HEADRACE_AUDIT_POLICY"] = str(path)

    async def begin(self) -> Worker:
        worker = await self.start(name="audit")
        await wait_until(worker.healthy, 60, what="healthy")
        return worker

    async def entries(self) -> list[list[Entry]]:
        """What a reader of agent.audit accepts: nothing of it forks."""
        return [accepted(records) for records in await self.read(topics.AUDIT)]

    async def written(self) -> int:
        return sum(map(len, await self.entries()))

    async def agree(self, timeout: float = 60) -> list[list[Entry]]:
        """Wait until each log holds the evidence of its partition: all of it, in order, once."""
        sources = await self.read(topics.EVENTS)

        async def same() -> list[list[Entry]] | None:
            logs = await self.entries()
            pairs = zip(logs, sources, strict=True)
            return logs if all(agrees(*pair, self.keys) for pair in pairs) else None

        try:
            # It reads all there is each time, and the workers are to have the processors, too.
            what = "the evidence that the events are"
            return await wait_until(same, timeout, interval=0.3, what=what) or []
        except AssertionError as error:
            state = [
                (len(source), len(log))
                for source, log in zip(sources, await self.entries(), strict=True)
            ]
            raise AssertionError(f"{error}: {state}\n{self.last_words()}") from None


def some(first: int, last: int) -> list[bytes | None]:
    """Events of three sessions, which go round the partitions."""
    return [line(seq, "stu"[seq % 3]) for seq in range(first, last + 1)]
