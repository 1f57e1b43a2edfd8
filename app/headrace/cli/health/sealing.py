"""Why evidence waits to be sealed, as far as that can be seen without the worker."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from typing import Final

from headrace.cli import kafka
from headrace.cli.health.evidence import local_vault
from headrace.cli.kafka import Lag
from headrace.events import topics
from headrace.events.errors import HeadraceError
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import open_signing
from headrace.sinks.audit.vault.vault import need_vault

LATE_SECONDS: Final = 60.0
"""A worker seals at the latest ten seconds after it read, or as long as `--seal-seconds` says."""
FULL_BYTES: Final = 16 * 1024**2
"""A segment is up to 8 MiB of leaves, and what stands beside them."""


async def waits_for(settings: Settings, lags: Sequence[Lag], members: int | None) -> str | None:
    """Say in one line why a worker that is behind does not seal, and what to do.

    None where it may just be at it. Without a worker (``members`` is 0): why none could begin with
    the settings of this process. Raises CommandError where Kafka is away.
    """
    if members == 0:
        return await asyncio.to_thread(_obstacle, settings, begins=True)
    oldest = await kafka.oldest_in_flight(settings, topics.AUDIT, lags)
    late = time.time() - oldest if oldest is not None else 0.0
    if late < LATE_SECONDS:
        return None
    why = await asyncio.to_thread(_obstacle, settings, begins=False)
    told = f"seen from here, {why}" if why else "its worker says why at /healthz and in its log"
    return f"the first for {late:,.0f} s: {told}"


def _obstacle(settings: Settings, *, begins: bool) -> str | None:
    try:
        if begins:
            open_signing(settings)
        need_vault(settings)
    except HeadraceError as error:
        return str(error)
    directory = local_vault(settings)
    if directory is not None and (free := shutil.disk_usage(directory).free) < FULL_BYTES:
        return f"the vault {directory} has {free / 2**20:,.0f} MiB free: make room"
    return None
