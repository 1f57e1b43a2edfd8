"""The archive: what stands in five topics becomes rows in ClickHouse.

    agent.events     -> events_raw
    agent.logs       -> logs_raw
    agent.metrics    -> metric_panes_raw
    agent.alerts.log -> alert_transitions_raw
    agent.spans      -> otel_traces_in -> otel_traces_raw

What is of people who are to be forgotten (``agent.erasures``) goes no further than
``erased_ledger``, and a span, which has no number, leaves nothing there. Each by an
:class:`~headrace.streams.archiver.Archiver` of its own, all in one app and one consumer group.
Nothing is acknowledged before it has landed or stands in the dead-letter queue. ClickHouse away:
the gathered batches are offered again and again, the transport stops fetching when its buffers are
full, and the worker stays in its group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from headrace.events import topics
from headrace.events.settings import Settings
from headrace.sinks import tables
from headrace.sinks.base import Sink
from headrace.sinks.clickhouse import PARALLEL
from headrace.sinks.tables import Table
from headrace.streams.app import BatchSchema, make_app
from headrace.streams.archiver import ArchiveOptions, Archiver
from headrace.streams.dead_letters import DeadLetterWriter
from headrace.streams.erasure.eraser import Eraser
from headrace.streams.processor import fail
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics

if TYPE_CHECKING:
    from headrace.streams.scrub.batches import BatchScrubber  # needs the extra scrub

NAME: Final = "archive"


@dataclass(frozen=True, slots=True)
class Route:
    """Where the records of a topic go."""

    topic: str
    """Without the configured prefix."""
    table: Table
    personal: bool = False
    """Its records are people's, who may have asked to be forgotten."""


ROUTES: Final = (
    Route(topics.EVENTS, tables.EVENTS, personal=True),
    Route(topics.LOGS, tables.LOGS, personal=True),
    Route(topics.METRICS, tables.PANES),
    Route(topics.ALERTS_LOG, tables.TRANSITIONS),
    Route(topics.SPANS, tables.SPANS, personal=True),
)


class Archive:
    """The processor ``archive``. See :class:`headrace.streams.processor.Processor`."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        sink_of: Callable[[Table], Sink],
        metrics: Metrics,
        *,
        tuning: Tuning | None = None,
        options: ArchiveOptions | None = None,
        scrubber: BatchScrubber | None = None,
    ) -> None:
        """Make it. ``scrubber``: of events and logs, None where nothing is scrubbed."""
        self.app = make_app(settings, NAME, tuning or Tuning())
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._settings = settings
        self._metrics = metrics
        self._options = options or ArchiveOptions()
        self._scrubber = scrubber
        self._eraser = Eraser(settings, sink_of(tables.ERASED), sink_of(tables.DROPPED))
        self._archivers = [self._archiver(route, sink_of(route.table)) for route in ROUTES]

    @property
    def waiting_for_sink(self) -> bool:
        return any(archiver.waiting for archiver in self._archivers)

    async def sink_healthy(self) -> bool:
        return all([await archiver.sink.healthy() for archiver in self._archivers])

    async def close(self) -> None:
        for archiver in self._archivers:
            await archiver.sink.close()
        await self._eraser.close()

    def _archiver(self, route: Route, sink: Sink) -> Archiver:
        name = self._settings.topic(route.topic)
        archiver = Archiver(
            name,
            sink,
            self._letters(),
            self._metrics,
            self._options,
            told=self._tell_sink_up,
            eraser=self._eraser if route.personal else None,
            scrubber=self._scrubber if route.personal else None,
        )
        source = self.app.topic(name, schema=BatchSchema())
        self.app.agent(source, name=f"headrace.{NAME}.{route.topic}", concurrency=1)(
            archiver.collect
        )
        for _ in range(PARALLEL):
            self._keep_working(archiver)
        return archiver

    def _letters(self) -> DeadLetterWriter:
        queue = self._settings.topic(topics.DEAD_LETTERS)
        return DeadLetterWriter(self.app, queue, self._settings.max_event_bytes)

    def _keep_working(self, archiver: Archiver) -> None:
        async def work() -> None:
            try:
                await archiver.work()
            except Exception as error:  # whatever it is, what is in work stays unacknowledged
                fail(self.failed, error)

        self.app.task(work)

    def _tell_sink_up(self) -> None:
        self._metrics.sink_up.labels(NAME).set(not self.waiting_for_sink)
