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
        self.trouble: str | None = None
        """Why the vault did not answer when it was asked last; None: it did."""
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
                self._tell(str(error))
                await asyncio.sleep(backoff.wait())
            else:
                self._tell(None)
                return answer
        raise LetGoError

    def _tell(self, trouble: str | None) -> None:
        if trouble is None and self.trouble is not None:
            log.warning("the vault takes evidence again")
        elif self.trouble is None and trouble is not None:
            log.warning("nothing can be sealed, trying until it can: %s", trouble)
        self.trouble = trouble
        self._metrics.sink_up.labels(self._worker).set(trouble is None)
