"""Sending the spans of a batch, a request after the other, until each was taken or is to blame."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Final

from headrace.events.errors import Poison
from headrace.sinks.otlp.exporter import Away, Exporter
from headrace.sinks.otlp.row import Row, row_of
from headrace.streams.backoff import Backoff
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

MOST_SPANS: Final = 512
"""Of one request, as OpenTelemetry's own exporters have it."""
MOST_BYTES: Final = 1024 * 1024
"""Of its records: the request is smaller. gRPC servers take 4 MiB unless they are told otherwise;
a span beyond this goes alone."""
LONGEST_WAIT: Final = 30.0
"""Seconds between two tries, where the receiver asks for no more."""

Refused = Callable[[int, Poison], None]
Numbered = list[tuple[int, Row]]
"""Spans with their index in the batch."""


class Sending:
    """To one receiver. For one task."""

    def __init__(
        self, exporter: Exporter, metrics: Metrics, *, told: Callable[[bool], None]
    ) -> None:
        """Make one. ``told``: is called with whether it waits for the receiver, at each answer."""
        self._exporter = exporter
        self._metrics = metrics
        self._told = told
        self._waiting = False

    async def send(self, values: Iterable[tuple[int, bytes]], refused: Refused) -> None:
        """Send the values; return when each was taken or told to ``refused``.

        However long that takes: cancel to give up. What was taken before is not sent again.
        """
        for part in _requests(values, refused):
            await self._one(part, refused)

    async def _one(self, part: Numbered, refused: Refused) -> None:
        """Send one request; where the receiver refuses it, halve until the bad ones are alone."""
        try:
            await self._patiently(part)
        except Poison as poison:
            if len(part) == 1:
                refused(part[0][0], poison)
                return
            middle = len(part) // 2
            await self._one(part[:middle], refused)
            await self._one(part[middle:], refused)

    async def _patiently(self, part: Numbered) -> None:
        backoff = Backoff(first=0.2, longest=LONGEST_WAIT)
        rows = [row for _, row in part]
        while True:
            began = monotonic()
            try:
                taken = await self._exporter.export(rows)
            except Away as away:
                self._metrics.otlp_retries.labels(away.label).inc()
                self._wait(away)
                await asyncio.sleep(max(backoff.wait(), away.after))
                continue
            finally:
                self._metrics.otlp_seconds.observe(monotonic() - began)
            self._wait(None)
            self._metrics.otlp_spans.inc(len(rows) - min(taken.rejected, len(rows)))
            if taken.rejected:
                self._metrics.otlp_rejected.inc(taken.rejected)
                log.warning(
                    "the receiver took a request but for %d of its %d spans, which are not sent"
                    " again: %.200r", taken.rejected, len(rows), taken.why
                )  # fmt: skip
            return

    def _wait(self, away: Away | None) -> None:
        if away is not None and not self._waiting:
            log.warning("the OTLP receiver takes no spans, trying until it does: %s", away)
        elif away is None and self._waiting:
            log.warning("the OTLP receiver takes spans again")
        self._waiting = away is not None
        self._told(self._waiting)


def _requests(values: Iterable[tuple[int, bytes]], refused: Refused) -> Iterator[Numbered]:
    part: Numbered = []
    size = 0
    for index, value in values:
        try:
            row = row_of(value)
        except Poison as poison:
            refused(index, poison)
            continue
        if part and (len(part) >= MOST_SPANS or size + len(value) > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append((index, row))
        size += len(value)
    if part:
        yield part
