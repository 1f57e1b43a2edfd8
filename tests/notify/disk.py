"""Kafka as a list of records, which a worker can die at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class CrashError(BaseException):
    """The process is gone."""


@dataclass
class Disk:
    """Topics that survive. After so many writes the writer dies; the last one may have landed."""

    records: dict[str, list[SimpleNamespace]] = field(default_factory=dict)
    left: int = 10**9
    last_lands: bool = True
    followers: list[tuple[str, Callable[[Any], None]]] = field(default_factory=list)

    def follow(self, topic: str, take: Callable[[Any], None]) -> None:
        """Hand every record of the topic to ``take``: those there are, and those to come."""
        for record in self.records.get(topic, []):
            take(record)
        self.followers.append((topic, take))

    async def send(self, topic: str, value: bytes | None, key: bytes) -> Any:
        self.left -= 1
        if self.left < 0 or (self.left == 0 and not self.last_lands):
            raise CrashError
        log = self.records.setdefault(topic, [])
        record = SimpleNamespace(offset=len(log), key=key, value=value)
        log.append(record)
        for followed, take in self.followers:
            if followed == topic:
                take(record)
        done = asyncio.get_running_loop().create_future()
        if self.left == 0:
            done.set_exception(CrashError())
        else:
            done.set_result(record)
        return done

    async def send_and_wait(self, topic: str, value: bytes | None, key: bytes) -> Any:
        return await (await self.send(topic, value, key))

    async def latest(self, _kafka: Any, topic: str) -> dict[bytes, bytes]:
        log = self.records.get(topic, [])
        found = {record.key: record.value for record in log}
        return {key: value for key, value in found.items() if value is not None}
