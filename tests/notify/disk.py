"""Kafka as a list of records, which a worker can die at."""

from __future__ import annotations

import asyncio
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

    async def send(self, topic: str, value: bytes | None, key: bytes) -> Any:
        self.left -= 1
        if self.left < 0 or (self.left == 0 and not self.last_lands):
            raise CrashError
        log = self.records.setdefault(topic, [])
        record = SimpleNamespace(offset=len(log), key=key, value=value)
        log.append(record)
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
