"""The scrubber at work in the archive: a batch at a time, counted."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

from headrace.streams.dead_letters import DeadLetter, Withheld
from headrace.streams.scrub.scrubber import Scrubbed, Scrubber
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)


class BatchScrubber:
    """Scrubs what one archive writes. For the tasks of one loop."""

    def __init__(self, scrubber: Scrubber, metrics: Metrics) -> None:
        self._scrubber = scrubber
        self._metrics = metrics

    async def scrub(self, values: Sequence[bytes | None]) -> Scrubbed:
        """Scrub a batch on a thread: one with many secrets takes seconds, and the loop must go on.

        What could not be scrubbed is None in what it returns, and in its ``withheld``.
        """
        started = monotonic()
        done = await asyncio.to_thread(self._scrubber.scrub, values)
        self._metrics.scrub_seconds.observe(monotonic() - started)
        self._count(done)
        if done.withheld:
            log.warning(
                "%d records could not be scrubbed and go to the dead letters without their "
                "content; the last one: %s",
                len(done.withheld),
                list(done.withheld.values())[-1],
            )
        return done

    def cleaned(self, letter: DeadLetter, done: Scrubbed, index: int) -> DeadLetter:
        """Return the letter of a value that was refused, without what must not be kept.

        What cannot be read cannot be scrubbed: of that its length and SHA-256 must do.
        """
        scrubbed = done.values[index]
        if scrubbed is not None and self._scrubber.is_readable(scrubbed):
            return replace(letter, value=scrubbed)
        if not letter.value:
            return letter
        self._metrics.scrub_withheld.labels(
            "failed" if index in done.failed else "unreadable"
        ).inc()
        digest = hashlib.sha256(letter.value).hexdigest()
        return replace(letter, value=None, withheld=Withheld(len(letter.value), digest))

    def _count(self, done: Scrubbed) -> None:
        for rule, count in done.tally.hits.items():
            self._metrics.scrubbed.labels(rule).inc(count)
        for (rule, field), count in done.tally.kept.items():
            self._metrics.scrub_kept.labels(rule, field).inc(count)
        self._metrics.scrub_rewritten.inc(done.rewritten)
