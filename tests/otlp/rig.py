"""The worker ``otlp`` as it runs: records go into agent.spans, spans come out at a receiver."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from headrace.events import topics
from tests.archive.rig import Rig, Worker
from tests.otlp.receiver import Receiver
from tests.otlp.spans import value
from tests.support import wait_until


@dataclass
class OtlpRig(Rig):
    async def begin(self, endpoint: str, protocol: str, *arguments: str, **more: str) -> Worker:
        """Start a worker and wait until it has its partitions."""
        self.environment = {
            "HEADRACE_OTLP_ENDPOINT": endpoint,
            "HEADRACE_OTLP_PROTOCOL": protocol,
            **more,
        }
        worker = await self.start(*arguments, name="otlp")
        await wait_until(
            lambda: worker.metric("headrace_worker_assigned_partitions"), 60, what="partitions"
        )
        return worker

    async def write(self, *spans: dict[str, Any]) -> None:
        await self.produce([value(span) for span in spans], topic=self.prefix + topics.SPANS)

    async def are_committed(self, count: int) -> bool:
        return sum((await self.committed("otlp", topics.SPANS)).values()) == count

    async def all_committed(self, count: int) -> None:
        await wait_until(lambda: self.are_committed(count), 60, what=f"{count} records committed")

    async def got(self, receiver: Receiver, *spans: dict[str, Any], timeout: float = 60) -> None:
        """Wait until the receiver has all of these."""
        wanted = {span["SpanId"] for span in spans}
        try:
            await wait_until(lambda: wanted <= set(receiver.ids), timeout, what="spans arrive")
        except AssertionError as error:
            lacking = len(wanted - set(receiver.ids))
            raise AssertionError(
                f"{lacking} of {len(wanted)} lack; {error}\n{self.last_words()}"
            ) from None


def once(spans: list[dict[str, Any]]) -> Counter[str]:
    return Counter(span["SpanId"] for span in spans)
