"""The alerts of one partition of agent.metrics: its own panes, rules' engine and progress.

What is read up to where the worker before this one had judged is the past; what was written after
that is news, and late where it is of a pane that was judged. Nothing is judged before the partition
has been read up to where it ended when it was assigned.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from headrace.events.errors import HeadraceError
from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.ended import Ended
from headrace.streams.alerts.engine import MAX_CATCH_UP, Engine
from headrace.streams.alerts.life import Change
from headrace.streams.alerts.model import RuleSet
from headrace.streams.alerts.progress import Progress
from headrace.streams.alerts.records import Watermark, decode
from headrace.streams.alerts.transition import Transition
from headrace.streams.alerts.windows import MAX_CELLS

log = logging.getLogger(__name__)

STEP: Final = 6 * PANE_SECONDS
"""Seconds of panes that are judged at once while catching up: what a crash then judges again."""
BACK_SECONDS: Final = 3600
"""By how much a clock may go back while panes wait for it: what was judged is not judged again."""
LATE_SECONDS: Final = 1.0
"""Between two judgements of late data alone, which may come in as often as they are told."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How far a partition was judged, and what had been read by then. ``agent.alerts.state``."""

    end: int = 0
    """The end of the last pane that was judged, seconds since 1970; 0: none yet."""
    offset: int = 0
    """The next record of agent.metrics to be read."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What one judgement has to write, in this order."""

    partition: int
    changes: Sequence[Change]
    outlived: Sequence[str]
    """Alerts of which agent.alerts need know no more."""
    judged: Judged


class AlertsPartition:
    """Judges one partition. Its lock guards it where a thread does."""

    def __init__(
        self,
        number: int,
        rules: RuleSet,
        clock: Callable[[], float],
        *,
        start: int = 0,
        end: int = 0,
        max_cells: int = MAX_CELLS,
    ) -> None:
        """``start`` and ``end`` are the offsets from which it is read and up to which first."""
        self.number = number
        self.lock = asyncio.Lock()
        self.offset = start
        """The next one to be read."""
        self.unreadable = 0
        """Records that are none of agent.metrics."""
        self.written = Judged()
        """What agent.alerts.state says."""
        self.open: tuple[Transition, ...] = ()
        """The alerts that are pending or firing, as of the last judgement."""
        self.engine = Engine(rules, clock, max_cells)
        self._ended = Ended(rules.rules)
        self._progress = Progress()
        self._clock = clock
        self._end = end
        self._past = True
        self._unwritten: Verdicts | None = None
        self._late = 0
        """Late records that were judged."""
        self._late_at = 0.0

    def restore(self, records: Iterable[Transition], judged: Judged) -> None:
        """Take up the latest records of this partition's tenants, before anything is read."""
        now = int(self._clock())
        now -= now % PANE_SECONDS
        # A clock that was ahead once must not silence the rules until then.
        records = [_until(record, now) for record in records]
        for record in records:
            self._ended.note(record)
        self.engine.restore(records, min(judged.end - judged.end % PANE_SECONDS, now))
        self.open = tuple(self.engine.life.open())
        self.written = judged

    # ── reading ──────────────────────────────────────────────────────────────

    def take(self, records: Sequence[Any]) -> None:
        """Take records in, in the order of their offsets."""
        now = self._clock()
        for record in records:
            if self._past and record.offset >= self.written.offset:
                self._begin_news()
            try:
                self._take(record.value, now)
            except ValueError as error:
                self.unreadable += 1
                log.debug("a record of agent.metrics cannot be read: %s", error)
        self.offset = max(self.offset, records[-1].offset + 1)

    def _take(self, value: bytes | None, now: float) -> None:
        record = decode(value)
        if isinstance(record, Watermark):
            self._progress.take(record, now)
        elif record is not None:
            self.engine.take(record)

    def _begin_news(self) -> None:
        self._past = False
        self.engine.windows.advance(self.engine.judged)

    # ── judging ──────────────────────────────────────────────────────────────

    @property
    def caught_up(self) -> bool:
        """Whether the past has been read."""
        return self.offset >= self._end

    @property
    def due(self) -> bool:
        """Whether :meth:`judge` has something to say or to say again.

        Raises :class:`HeadraceError` where the clock went back so far that it must be made anew.
        """
        if self.engine.judged > self._clock() + BACK_SECONDS:
            raise HeadraceError("the clock went back by more than an hour: begin again")
        if self._unwritten is not None:
            return True
        if not self.caught_up:
            return False
        now = self._clock()
        if self._progress.end(now) > self.engine.judged:
            return True
        late = self.engine.judged and self.engine.late > self._late
        return bool(late) and now - self._late_at >= LATE_SECONDS

    def judge(self) -> Verdicts:
        """Judge what has become due, some panes at most; again the same until it is written."""
        if self._unwritten is None:
            self._unwritten = self._judge()
        return self._unwritten

    def _judge(self) -> Verdicts:
        engine, now = self.engine, self._clock()
        end = max(self._progress.end(now), engine.judged)
        if engine.judged:
            engine.judged = max(engine.judged, end - MAX_CATCH_UP - PANE_SECONDS)
            end = min(end, engine.judged + STEP)
        self._late, self._late_at = engine.late, now
        changes = engine.advance(end)
        for change in changes:
            self._ended.note(change.transition)
        self.open = tuple(engine.life.open())
        judged = Judged(engine.judged, self.offset)
        return Verdicts(self.number, changes, self._ended.outlived(engine.judged), judged)

    def has_written(self, verdicts: Verdicts) -> None:
        """Note that what was judged last is written."""
        self.written = verdicts.judged
        self._unwritten = None


def _until(record: Transition, now: int) -> Transition:
    """Have a record say nothing of panes that begin after the end of the last whole one (s)."""
    if record.judged < now:
        return record
    last = now - PANE_SECONDS
    quiet = record.quiet_since
    return replace(
        record,
        pane=min(record.pane, last),
        judged=last,
        starts_at=min(record.starts_at, float(last)),
        quiet_since=None if quiet is None else min(quiet, last),
    )
