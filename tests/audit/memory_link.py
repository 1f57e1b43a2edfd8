"""The split's connections in memory: a Kafka that fails at a write of the test's choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
from aiokafka.errors import KafkaTimeoutError

from headrace.streams.audit.fold import WRITER
from headrace.streams.audit.link import Incarnations
from tests.audit.log import AuditLog, Record


@dataclass
class MemoryLink:
    """See :class:`headrace.streams.audit.link.Link`; of one partition."""

    audit: AuditLog = field(default_factory=AuditLog)
    logs: Incarnations = field(default_factory=lambda: Incarnations("source", "audit"))
    saved: bytes | None = None
    fails_at: int = -1
    """The operation that fails: its caller does not learn whether it landed."""
    lands: bool = False
    operations: int = 0
    claims: int = 0

    def _operation(self, change: Callable[[], object]) -> None:
        self.operations += 1
        fails = self.operations == self.fails_at
        if not fails or self.lands:
            change()
        if fails:
            raise KafkaTimeoutError

    async def need_same_logs(self) -> None:
        """They are."""

    async def load(self, _partition: int) -> dict[str, Any] | None:
        self._operation(lambda: None)
        data: dict[str, Any] | None = orjson.loads(self.saved) if self.saved else None
        return data

    async def save(self, _partition: int, state: dict[str, Any]) -> None:
        logs = {"source": self.logs.source, "audit": self.logs.audit}
        self._operation(lambda: setattr(self, "saved", orjson.dumps(state | logs)))

    async def first_offset(self, _partition: int) -> int:
        return 0

    async def claim(self, _partition: int) -> tuple[bytes, int]:
        self.claims += 1
        writer = f"w{self.claims}".encode()
        self._operation(lambda: self.audit.claim(writer))
        return writer, len(self.audit.records) - 1

    async def read(
        self, _partition: int, begin: int, end: int, take: Callable[[Any], object]
    ) -> None:
        self._operation(lambda: None)
        for record in self.audit.records[begin:end]:
            take(record)

    async def write(
        self, _partition: int, writer: bytes, entries: Sequence[tuple[bytes, bytes]]
    ) -> int:
        """A record batch for each entry: any of them may be the last that lands."""
        for key, leaf in entries:
            record = Record(len(self.audit.records), key, leaf, [(WRITER, writer)])
            self._operation(partial(self.audit.records.append, record))
        return len(self.audit.records)
