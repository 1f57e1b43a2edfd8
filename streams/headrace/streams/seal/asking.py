"""Asking the vault, which may be away: the loop goes on meanwhile, and what asks waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from headrace.events.errors import Retryable
from headrace.streams.backoff import Backoff
from headrace.streams.seal.held import Held, LetGoError
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Asking:
    """For one loop."""

    def __init__(self, worker: str, metrics: Metrics) -> None:
        self.away = False
        """Whether the vault did not answer when it was asked last."""
        self._worker = worker
        self._metrics = metrics

    async def ask(self, question: Callable[[], _T], held: Held | None = None) -> _T:
        """Ask on a thread, until there is an answer; it may be asked again and again.

        Raises what the question raises, but for Retryable; :class:`LetGoError` once ``held``, a
        partition on whose behalf it is asked, went.
        """
        backoff = Backoff()
        while held is None or not held.gone:
            try:
                answer = await asyncio.to_thread(question)
            except Retryable as error:
                self._tell(away=True, text=f"nothing can be sealed, trying until it can: {error}")
                await asyncio.sleep(backoff.wait())
            else:
                self._tell(away=False, text="the vault takes evidence again")
                return answer
        raise LetGoError

    def _tell(self, *, away: bool, text: str) -> None:
        if away != self.away:
            log.warning("%s", text)
        self.away = away
        self._metrics.sink_up.labels(self._worker).set(not away)
