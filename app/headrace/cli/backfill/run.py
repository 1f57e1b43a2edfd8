"""Backfill: the files, the shipper, the dead letters, and what is shown meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from headrace.cli.backfill import letters
from headrace.cli.backfill.convert import Bad
from headrace.cli.backfill.inputs import Input
from headrace.cli.backfill.progress import Progress
from headrace.cli.backfill.source import Files, Tally
from headrace.cli.faults import CommandError
from headrace.events import topics
from headrace.events.settings import Settings
from headrace.producers.lane import Destination
from headrace.producers.shipper import Shipper
from headrace.producers.warn import Warnings

SHOW_EVERY: Final = 0.2
"""Seconds between two looks at how far it is."""

Show = Callable[[Tally, str], None]
"""Shows how far it is, and what is the trouble."""


@dataclass(slots=True)
class Backfill:
    """One run. :meth:`run` and :meth:`look` raise CommandError, SettingsError, OSError."""

    settings: Settings
    inputs: Sequence[Input]
    tenant: str | None
    marks: Path
    """The directory of the files' marks."""
    end: bool
    """Whether the files will not grow: their epochs get end markers."""
    most_bad: int
    """Bad lines beyond which this is no archive."""
    show: Show
    tell_bad: Callable[[str, Bad], None]
    _bad: list[tuple[bytes | None, Any]] = field(default_factory=list)
    _trouble: str = ""

    def look(self) -> Tally:
        """Read and check everything, send nothing."""
        files = self._files(keep=False)
        while not files.done:
            chunk = files.read()
            if chunk is not None:
                files.acknowledge(chunk)
            self.show(files.tally, "")
            files.go_on()
        files.tally.sent = 0
        return files.tally

    async def run(self) -> Tally:
        """Send everything that Kafka does not have yet; wait for a broker that is away."""
        self.settings.need_kafka()
        files = self._files(keep=True)
        stop = asyncio.Event()
        shipping = asyncio.create_task(self._ship(files, stop))
        try:
            while not (files.done or shipping.done()):
                await self._set_aside(files)
                self.show(files.tally, self._trouble)
                await asyncio.wait([shipping], timeout=0.01 if self._bad else SHOW_EVERY)
            stop.set()
            await shipping
        finally:
            shipping.cancel()
        return files.tally

    async def _ship(self, files: Files, stop: asyncio.Event) -> None:
        shipper = Shipper(
            self.settings.need_kafka(),
            self.settings.topic(topics.EVENTS),
            lambda: [files],
            Warnings(),
            max_event_bytes=self.settings.max_event_bytes,
        )

        def tell(trouble: str) -> None:
            self._trouble = trouble

        def idle() -> None:
            if files.done:
                stop.set()

        shipper.tell, shipper.on_idle = tell, idle
        await shipper.run(stop)

    async def _set_aside(self, files: Files) -> None:
        if self._bad:
            await letters.send(self.settings, self._bad)
            self._bad.clear()
            files.go_on()

    def _files(self, *, keep: bool) -> Files:
        settings, seen = self.settings, 0
        kafka = settings.kafka

        def on_bad(name: str, file: bytes, bad: list[Bad]) -> None:
            nonlocal seen
            seen += len(bad)
            for one in bad:
                self.tell_bad(name, one)
                self._bad.append(letters.letter(one, name=name, file=file, settings=settings))
            if seen > self.most_bad:
                raise CommandError(
                    f"{name}: more than {self.most_bad:,} lines are no events, the last one line "
                    f"{bad[-1].number} ({bad[-1].reason}): is this an archive? (--max-bad)"
                )

        def progress(one: Input) -> Progress:
            to = Destination.of(settings.topic(topics.EVENTS), kafka) if kafka else None
            return Progress(self.marks if keep else None, one.path, self.tenant, to)

        return Files(
            self.inputs, self.tenant, settings.max_event_bytes, progress, on_bad, end=self.end
        )
