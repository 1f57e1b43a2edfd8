"""The parts of the stack: how each is started, and how it shows that it is well."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from headrace.local import kafka, probes
from headrace.local.child import Child, PartFailed
from headrace.local.ports import free_port
from headrace.local.probes import WELL, Health
from headrace.local.state_dir import StateDir
from headrace.producers.condition import RESIDENT, path_of, read_living

START_WITHIN_S: Final = 60.0
"""Python and its libraries come up in 1 to 3 s; the first start on a cold disk takes far longer."""


SESSION_TIMEOUT_S: Final = 4.0
"""Joining a group of the embedded Kafka takes half of it and a second. A real one gets 30."""


class Part(Protocol):
    """One supervised OS process."""

    name: str

    @property
    def child(self) -> Child | None:
        """The running process, or the last one."""

    async def start(self) -> None:
        """Start it and wait until it serves. Raises :class:`PartFailed`."""

    async def health(self) -> Health:
        """Whether it does its work. Answers within seconds, never raises."""
        ...

    @property
    def address(self) -> str | None:
        """Where it is reached; without credentials."""


class KafkaPart:
    """The embedded Kafka."""

    name = "kafka"

    def __init__(self, directory: StateDir, port: int) -> None:
        self._broker = kafka.EmbeddedKafka(
            directory.path, log=directory.logs / "kafka.log", port=free_port(port)
        )

    @property
    def child(self) -> Child | None:
        return self._broker.child

    @property
    def address(self) -> str:
        return self._broker.address

    async def start(self) -> None:
        await self._broker.start()

    async def health(self) -> Health:
        answer = await kafka.cluster_id(self.address, timeout=probes.PROBE_TIMEOUT_S)
        return WELL if answer == self._broker.cluster_id else Health("gives no metadata")


class ClickHousePart:
    """The local ClickHouse."""

    name = "clickhouse"

    def __init__(self, directory: StateDir, port: int, env: Mapping[str, str]) -> None:
        self._dir = directory
        self._env = env
        self._port = free_port(port)
        self.child: Child | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        self.child = await Child.start(
            self.name,
            [
                *(sys.executable, "-m", "headrace.local.clickhouse"),
                *("--data-dir", str(self._dir.path / "clickhouse")),
                *("--host", "127.0.0.1", "--port", str(self._port)),
                *("--credentials-file", str(self._dir.credentials_file)),
            ],
            env=self._env,
            log=self._dir.logs / "clickhouse.log",
            cwd=self._dir.path,
        )
        await _ready(self.child)

    async def health(self) -> Health:
        return await probes.health(f"http://{self.address}/ping")


class WorkerPart:
    """One stream processor."""

    def __init__(self, name: str, directory: StateDir, env: Mapping[str, str]) -> None:
        self.name = name
        self._env = env
        self._dir = directory
        self._port = 0
        self.child: Child | None = None

    @property
    def address(self) -> str | None:
        return f"127.0.0.1:{self._port}" if self._port else None

    async def start(self) -> None:
        """Start it. It has not joined its group yet: which :meth:`health` tells."""
        self.child = await Child.start(
            self.name,
            [
                *(sys.executable, "-m", "headrace.streams.worker", self.name),
                *("--metrics-port", "0", "--session-timeout", f"{SESSION_TIMEOUT_S:g}"),
            ],
            env=self._env,
            log=self._dir.logs / f"{self.name}.log",
            cwd=self._dir.path,
        )
        ready = await _ready(self.child)
        self._port = int(ready.get("metrics_port", 0))

    async def health(self) -> Health:
        return await probes.health(f"http://{self.address}/healthz")

    async def metrics(self) -> str:
        """Return its Prometheus text; empty while it does not answer."""
        return await probes.text(f"http://{self.address}/metrics")


class ShipperPart:
    """Carries to Kafka what dead producers left in the stack's own spool.

    After a restart of the embedded Kafka, which forgets, it also sends again what the spool keeps.
    A stack whose port was taken got another: ``former`` are the addresses that Kafka had before.
    """

    name = "shipper"
    address = None

    def __init__(
        self, directory: StateDir, env: Mapping[str, str], former: Sequence[str] = ()
    ) -> None:
        self._env = env
        self._dir = directory
        self._former = former
        self.child: Child | None = None

    async def start(self) -> None:
        self.child = await Child.start(
            self.name,
            [
                *(sys.executable, "-m", "headrace.producers.ship"),
                *(str(self._dir.path / "spool"), str(self._dir.path)),
                *self._former,
            ],
            env=self._env,
            log=self._dir.logs / "shipper.log",
            cwd=self._dir.path,
        )
        await _ready(self.child)

    async def health(self) -> Health:
        said = read_living(path_of(self._dir.path, RESIDENT))
        if said is None:
            return Health("has not reached Kafka yet")
        return Health(str(said), waits=not said.hangs) if said.trouble else WELL

    async def metrics(self) -> str:
        """It has none of its own."""
        return ""


async def _ready(child: Child) -> dict[str, Any]:
    try:
        return await child.ready_line(START_WITHIN_S)
    except BaseException:
        await child.kill()
        raise


__all__ = ["ClickHousePart", "KafkaPart", "Part", "PartFailed", "ShipperPart", "WorkerPart"]
