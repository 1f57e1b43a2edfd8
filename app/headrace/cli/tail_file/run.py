"""Following files until told to stop: one shipper for all of them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from headrace.cli.state_file import StateFile
from headrace.cli.tail_file.follow import FollowedFile, Whose
from headrace.cli.tail_file.paths import Paths
from headrace.events import topics
from headrace.events.settings import Settings
from headrace.producers.lane import Destination
from headrace.producers.shipper import Shipper
from headrace.producers.sources import Source
from headrace.producers.warn import Warnings

FIND_EVERY: Final = 2.0
"""Seconds between two looks for files that appeared."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of a run."""

    files: int
    records: int
    """That Kafka has acknowledged to this run."""


class Following:
    """Follows files. ``whose`` is of all of them, but for the tenant."""

    def __init__(self, settings: Settings, paths: Paths, whose: Whose, positions: Path) -> None:
        self._settings = settings
        self._paths = paths
        self._whose = whose
        self._positions = positions
        self._files: dict[Path, FollowedFile] = {}
        self._find_at = 0.0

    async def run(self) -> Followed:
        """Follow until SIGINT or SIGTERM, or with ``once`` to the ends. Raises SettingsError."""
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        shipper = Shipper(
            self._settings.need_kafka(),
            self._settings.topic(topics.LOGS),
            self._sources,
            Warnings(),
            max_event_bytes=self._settings.max_event_bytes,
        )

        def idle() -> None:
            if self._whose.once and all(file.done for file in self._files.values()):
                stop.set()

        shipper.on_idle = idle
        try:
            await shipper.run(stop)
        finally:
            for file in self._files.values():
                file.close()
        shipped = sum(file.shipped for file in self._files.values())
        return Followed(len(self._files), shipped)

    def _sources(self) -> list[Source]:
        now = time.monotonic()
        if now >= self._find_at:
            self._find_at = now + FIND_EVERY
            for path, tenant in self._paths.find().items():
                if path not in self._files:
                    self._files[path] = self._follow(path, tenant)
        return list(self._files.values())

    def _follow(self, path: Path, tenant: str) -> FollowedFile:
        whose = replace(self._whose, tenant=tenant)
        to = Destination.of(self._settings.topic(topics.LOGS), self._settings.need_kafka())
        # Not path.resolve(), which raises where links go round in a circle.
        about = [os.path.realpath(path), tenant, whose.session, asdict(to)]
        return FollowedFile(path, whose, StateFile(self._positions, about))
