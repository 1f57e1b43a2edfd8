"""Topics in memory, for what no broker can be made to do at a given moment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiokafka.errors import KafkaConnectionError

from headrace.events.settings import KafkaSettings


class Killed(BaseException):
    """The process ends here."""


@dataclass
class FakeKafka:
    """A producer that fails, or ends the process, at a given send; and what reads its topics."""

    topics: dict[str, list[tuple[bytes, bytes | None]]] = field(default_factory=dict)
    sends: int = 0
    killed_at: int = -1
    """The number of the send at which the process ends."""
    away: bool = False
    unacknowledged: bool = False
    """Whether records are written, and their acknowledgement is lost."""

    async def partitions_for(self, _topic: str) -> set[int]:
        return {0}

    async def send(self, topic: str, value: bytes | None, key: bytes) -> asyncio.Future[None]:
        if self.sends == self.killed_at:
            raise Killed
        self.sends += 1
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.away or self.unacknowledged:
            self.topics.setdefault(topic, []).append((key, value))
        if self.away:
            answer.set_exception(KafkaConnectionError())
        else:
            answer.set_result(None)
        return answer

    async def stop(self) -> None:
        """There is nothing to stop."""

    async def latest(self, _kafka: KafkaSettings, topic: str) -> dict[bytes, bytes]:
        """As :func:`headrace.streams.compacted.latest`."""
        found = dict(self.topics.get(topic, ()))
        return {key: value for key, value in found.items() if value is not None}
