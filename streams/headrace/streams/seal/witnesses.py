"""Telling all witnesses, each at its own pace: one that is away holds up nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from headrace.sinks.audit.vault.seal import Seal
from headrace.streams.backoff import Backoff
from headrace.streams.seal.witness import AwayError, Witness
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

LONGEST_SECONDS = 60.0
"""Between two tries; a checkpoint that nobody has seen is one that could be taken back."""


class Witnesses:
    """Runs on one loop. Of a log a witness that lags is told the newest checkpoint alone."""

    def __init__(self, witnesses: Sequence[Witness], metrics: Metrics) -> None:
        self._metrics = metrics
        self._desks = [_Desk(witness) for witness in witnesses]

    def tell(self, seal: Seal) -> None:
        """Tell of a seal's checkpoint, soon."""
        for desk in self._desks:
            desk.newest[seal.log] = seal
            desk.news.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        await asyncio.gather(*(self._run(desk) for desk in self._desks))

    async def close(self) -> None:
        for desk in self._desks:
            await desk.witness.close()

    async def _run(self, desk: _Desk) -> None:
        backoff, name = Backoff(longest=LONGEST_SECONDS), desk.witness.name
        # So that the metric is there before anything fails.
        failures = self._metrics.seal_witness_failures.labels(name)
        while True:
            await desk.news.wait()
            desk.news.clear()
            for seal in list(desk.newest.values()):
                try:
                    await desk.witness.tell(seal.log, seal.end, seal.checkpoint.encode())
                except AwayError as error:
                    failures.inc()
                    log.warning("witness %s was not told of %s: %s", name, seal.log, error)
                    desk.news.set()
                    await asyncio.sleep(backoff.wait())
                    break
                # Another may have come meanwhile.
                if desk.newest.get(seal.log) is seal:
                    del desk.newest[seal.log]
                backoff.reset()


class _Desk:
    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self.newest: dict[str, Seal] = {}
        """Of each log that it was not told of yet."""
        self.news = asyncio.Event()
