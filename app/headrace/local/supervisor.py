"""The parts together: in which order they start, restart and stop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from headrace.local.logs import PartLog
from headrace.local.minder import STARTING, STOPPED, Minder, Patience
from headrace.local.parts import ClickHousePart, KafkaPart, ShipperPart, WorkerPart
from headrace.local.state_dir import StateDir

READY = "ready"
STOPPING = "stopping"


class Supervisor:
    """Runs the stack's processes. One event loop; made, started and stopped in it.

    Starts Kafka and ClickHouse, then topics and schema, then the workers. A Kafka that came back
    is empty and another cluster: the workers are ended with it, and start again once it has its
    topics. A ClickHouse that is away stops nobody: the workers wait for it.
    """

    def __init__(
        self,
        directory: StateDir,
        kafka: KafkaPart,
        clickhouse: ClickHousePart,
        workers: Sequence[WorkerPart | ShipperPart],
        *,
        apply_topics: Callable[[], Awaitable[None]],
        apply_schema: Callable[[], Awaitable[None]],
        before_kafka_stops: Callable[[], Awaitable[None]],
        say: Callable[[str], None],
        patience: Patience,
    ) -> None:
        self.state = STARTING
        self.since = time.time()
        self._log = PartLog(directory.logs / "supervisor.log")
        self._tell = say
        self._said: deque[dict[str, Any]] = deque(maxlen=50)
        self._patience = patience
        self._before_kafka_stops = before_kafka_stops
        self._kafka = Minder(
            kafka,
            say=self.say,
            patience=patience,
            prepare=self._with_workers_released(apply_topics),
            on_down=self._hold_workers,
        )
        self._clickhouse = Minder(clickhouse, say=self.say, patience=patience, prepare=apply_schema)
        self._workers = [Minder(part, say=self.say, patience=patience) for part in workers]
        self.worker_parts = tuple(workers)

    @property
    def minders(self) -> dict[str, Minder]:
        """Every part's minder, by the part's name."""
        return {m.part.name: m for m in (self._kafka, self._clickhouse, *self._workers)}

    async def start(self) -> None:
        """Start everything, and return once every worker has its partitions.

        Raises :class:`PartFailed`; whatever had started is stopped then.
        """
        try:
            await _all(self._kafka.start(), self._clickhouse.start())
            await _all(*(worker.start() for worker in self._workers))
            await _all(*(minder.wait_well() for minder in self.minders.values()))
        except BaseException:
            await self.stop()
            raise
        for minder in self.minders.values():
            minder.mind()
        self.state = READY
        self.since = time.time()

    async def stop(self) -> None:
        """Stop the workers, then ClickHouse, then Kafka; bounded, safe to call twice."""
        if self.state in {STOPPING, STOPPED}:
            return
        self.state = STOPPING
        worker, server = self._patience.worker_stops_within, self._patience.server_stops_within
        await _all(*(minder.stop(worker) for minder in self._workers))
        await self._clickhouse.stop(server)
        await self._before_kafka_stops()
        await self._kafka.stop(server)
        self.state = STOPPED
        self._log.close()

    def status(self) -> dict[str, Any]:
        """Return what ``/status.json`` shows. Holds no secret."""
        return {
            "state": self.state,
            "since": self.since,
            "parts": [minder.status() for minder in self.minders.values()],
            "said": list(self._said),
        }

    def say(self, text: str) -> None:
        """Tell the person at the terminal, the log and the status page."""
        now = time.time()
        self._said.append({"at": now, "text": text})
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        self._log.write(f"{stamp} {text}\n".encode())
        self._tell(text)

    def _hold_workers(self) -> None:
        for worker in self._workers:
            worker.hold("ended because the embedded Kafka did")

    def _with_workers_released(
        self, apply: Callable[[], Awaitable[None]]
    ) -> Callable[[], Awaitable[None]]:
        async def prepare() -> None:
            await apply()
            for worker in self._workers:
                worker.release()

        return prepare


async def _all(*work: Awaitable[Any]) -> None:
    """Run side by side. When one fails, the others are cancelled, and end before this raises."""
    tasks = [asyncio.ensure_future(item) for item in work]
    if not tasks:
        return
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        raise
