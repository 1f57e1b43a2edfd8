"""The one critical section: number an event, and append it where it survives.

Everything that the agent's thread does after encoding happens here. Numbering and appending are one
step, so the order of the spool is the order of ``seq``. Nothing here waits for a thread that hangs
in a write longer than :data:`PATIENCE`: it leaves its work to that thread, to be done at once when
the write returns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from orjson import dumps

from headrace.events import types
from headrace.producers import kinds, limits
from headrace.producers.binding import Binding
from headrace.producers.epoch import Epoch, Epochs
from headrace.producers.kinds import Kind, kind_of
from headrace.producers.late import Late, Work
from headrace.producers.store import SLOW, TORN, Store, unwritten
from headrace.producers.warn import Warnings

PATIENCE: Final = 0.05
"""Seconds without any event written after which a thread leaves its own to the one that writes."""
QUEUE: Final = 20
"""Times that a thread waits so long while others get on: they are busy, and the disk is well."""
LOOK: Final = 1.0
"""Seconds between two looks after the house."""
SWEEP: Final = 60.0
"""Seconds between two searches for idle sessions."""

_CHUNK: Final = kinds.MAY_BE_FIRST_CHUNK
_TURN_ENDS: Final = kinds.TURN_ENDS
_EPOCH_END: Final = kind_of(types.EPOCH_END)
_DROPPED: Final = kind_of(types.DROPPED)
BUSY: Final = "busy"


class Journal:
    """Numbers and stores events. Safe from any thread and inside signal handlers."""

    def __init__(
        self,
        make_binding: Callable[[str], Binding],
        store: Store,
        epochs: Epochs,
        warn: Warnings,
        *,
        on_look: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_binding = make_binding
        self._store = store
        self._epochs = epochs
        self._warn = warn
        self._on_look = on_look
        self._clock = clock
        self._monotonic = monotonic
        self._make_lock()
        self._late = Late()
        self._row = self._late.row
        self._owing: dict[str, Epoch] = {}
        """Epochs whose drops the stream has not been told of."""
        self._look_at = 0.0
        self._sweep_at = clock() + SWEEP
        self.closed = False
        """Whether it writes no more: what comes is counted."""
        self.finished = 0
        """Numbers drawn by epochs that are over."""
        self.dropped: dict[str, int] = {}
        """Drops of epochs that are over, by reason."""

    def _make_lock(self) -> None:
        self._lock = threading.Lock()
        self._acquire = self._lock.acquire
        self._release = self._lock.release

    # ── the hook's side ──────────────────────────────────────────────────────

    def put(
        self, binding: Binding, kind: Kind, body: bytes, came: float = 0.0, made: float = 0.0
    ) -> None:
        """Number and store one event whose ``data`` is encoded in ``body``.

        ``made`` is the event's own time, where that is not now. ``came`` is when it came, and is
        given by those who hold the lock already. One method for both, since a call of a method
        costs the agent as much as half of all the numbering.
        """
        if not came and not self._acquire(False) and not self._queue_up():
            self._leave_event(binding, kind, body, made)
            return
        try:
            now = came or self._clock()
            if now >= self._look_at and not came:
                self._look_after(now)
            epoch = binding.epoch
            if not epoch.open:
                if self.closed:
                    self._count_late_comer()
                    return
                epoch = self._epochs.get(binding.session, now)
                binding.enter(epoch)
            epoch.seq = seq = epoch.seq + 1
            before, epoch.last_ts = epoch.last_ts, now
            try:
                role = kind.role
                prefix = binding.prefix
                if role and (role != _CHUNK or epoch.call_started):
                    turn = self._follow(epoch, role)
                    if role <= _TURN_ENDS:
                        # Its end still belongs to a turn, and so to the trace that it was in.
                        binding.follow(kind.trace)
                        if role != _TURN_ENDS:
                            prefix = binding.prefix
                else:
                    turn = epoch.turn_part
                parts = (
                    prefix,
                    dumps(seq),
                    turn,
                    dumps(made or now),
                    kind.part,
                    body,
                    b"}\n",
                )
                line = b"".join(parts)
                size = len(line)
                store = self._store
                room = store.room - size
                if room < 0 or now - before > SLOW or came:
                    # No room, or what came before may have waited for the disk: the careful way.
                    refusal = store.put(line, kind.rank)
                else:
                    store.room = room
                    try:
                        taken = store.write(store.fd, line)
                    except OSError as error:
                        refusal = store.instead(line, kind.rank, unwritten(error))
                    else:
                        if taken == size:
                            store.place.written += 1
                            refusal = None
                        else:
                            refusal = store.instead(line, kind.rank, TORN)
            except BaseException:  # a signal's, say: the number must not go missing
                self._drop(epoch, seq, limits.INTERRUPTED)
                raise
            if refusal:
                self._drop(epoch, seq, refusal)
        finally:
            if not came:
                self._release()
                if self._row:
                    self._catch_up()

    def _count_late_comer(self) -> None:
        self.finished += 1
        self.dropped[limits.CLOSED] = self.dropped.get(limits.CLOSED, 0) + 1

    def _follow(self, epoch: Epoch, role: int) -> bytes:
        """Keep the epoch's turn and call; what stands between the event's ``seq`` and ``ts``."""
        now = self._monotonic()
        if role == _CHUNK:
            started, epoch.call_started = epoch.call_started, 0.0
        elif role == kinds.TURN_ENDS:
            turn = epoch.turn_part
            started = epoch.end_turn()
            return _duration(started, now) + turn
        elif role == kinds.TURN_BEGINS:
            epoch.begin_turn(now)
            return epoch.turn_part
        else:
            epoch.call_started = now
            return epoch.turn_part
        return _duration(started, now) + epoch.turn_part

    def _drop(self, epoch: Epoch, seq: int, reason: str) -> None:
        epoch.drop(seq, reason)
        self._owing[epoch.id] = epoch
        self._warn("drop", "headrace drops events (%s): see EventProducer.report()", reason)

    # ── threads that could not wait ──────────────────────────────────────────

    def _queue_up(self) -> bool:
        """Wait for the lock, for as long as others get on with it."""
        for _ in range(QUEUE):
            before = self._store.kept
            if self._acquire(True, PATIENCE):
                return True
            if self._store.kept == before:
                return False
        return False

    def _do(self, work: Work) -> bool:
        """Do something with the lock; False where one hangs who has it."""
        if not self._acquire(False) and not self._queue_up():
            return False
        try:
            work()
        finally:
            self._release()
        self._catch_up()
        return True

    def _do_or_leave(self, work: Work) -> None:
        if not self._do(work):
            self._late.leave(work, 0)
            self._catch_up()

    def _leave_event(self, binding: Binding, kind: Kind, body: bytes, made: float) -> None:
        work = partial(self.put, binding, kind, body, self._clock(), made)
        if not self._late.leave(work, len(body)):
            self._late.miss(binding)
        self._catch_up()  # who had the lock may have looked for late ones just before

    def _catch_up(self) -> None:
        """Do what was left. Whoever has the lock instead looks when it lets go of it."""
        while self._row and self._acquire(False):
            try:
                while work := self._late.take():
                    work()
                for binding, count in self._late.take_missed().items():
                    self._write_nothing(binding, count)
            finally:
                self._release()

    def _write_nothing(self, binding: Binding, count: int) -> None:
        if not binding.epoch.open:
            binding.enter(self._epochs.get(binding.session, self._clock()))
        for _ in range(count):
            binding.epoch.seq += 1
            self._drop(binding.epoch, binding.epoch.seq, BUSY)

    # ── housekeeping, at most once a second ──────────────────────────────────

    def _look_after(self, now: float) -> None:
        self._look_at = now + LOOK
        if self.closed:
            self._on_look()  # what is still on its way needs who carries it
            return
        self._store.look_after(now)
        self._on_look()
        if self._owing:
            self._tell_drops(now)
        if now >= self._sweep_at or self._epochs.full():
            self._sweep_at = now + SWEEP
            for epoch in self._epochs.idle(now):
                self._end(epoch, "evicted", now)

    def _tell_drops(self, now: float) -> None:
        owing, self._owing = self._owing, {}
        for epoch in owing.values():
            if not epoch.open:
                continue
            spans, epoch.spans = epoch.spans, []
            binding = self._make_binding(epoch.session)
            binding.enter(epoch)
            for span in spans:
                self.put(binding, _DROPPED, dumps(span.as_data()), now)

    def _end(self, epoch: Epoch, reason: str, now: float) -> None:
        """Write the epoch's end marker as its last event, and forget it."""
        if epoch.id in self._owing:
            self._tell_drops(now)
        binding = self._make_binding(epoch.session)
        binding.enter(epoch)
        body: dict[str, Any] = {"reason": reason, "dropped": epoch.dropped}
        self.put(binding, _EPOCH_END, dumps(body), now)
        epoch.open = False
        self._owing.pop(epoch.id, None)
        self.finished += epoch.seq
        for name, count in epoch.dropped.items():
            self.dropped[name] = self.dropped.get(name, 0) + count

    # ── the producer's side ──────────────────────────────────────────────────

    def check(self) -> None:
        """Look after the house although no event comes."""
        self._do(lambda: self._look_after(self._clock()))

    def end(self, session: str, reason: str) -> None:
        """End a session's epoch; the next event of the session starts another."""
        self._do_or_leave(partial(self._end_session, session, reason))

    def _end_session(self, session: str, reason: str) -> None:
        epoch = self._epochs.pop(session)
        if epoch is not None and not self.closed:
            self._end(epoch, reason, self._clock())

    def close(self) -> None:
        """End every epoch. What comes later is counted as dropped, with reason ``closed``."""
        self._do_or_leave(self._close)

    def _close(self) -> None:
        if self.closed:
            return
        now = self._clock()
        self._look_after(now)
        for epoch in self._epochs.all():
            self._epochs.pop(epoch.session)
            self._end(epoch, limits.CLOSED, now)
        self.closed = True

    def release(self) -> None:
        """Let go of the lane, for another shipper to take."""
        self._do_or_leave(self._store.release)

    def after_fork(self) -> None:
        """In the child: nothing here is its own. A new lane and new epochs at the first event."""
        self._make_lock()
        self._late = Late()
        self._row = self._late.row
        self._owing.clear()
        self._epochs.clear()
        self._store.after_fork()
        self.finished = 0
        self.dropped = {}
        self._look_at = 0.0

    @property
    def waiting(self) -> int:
        """Events that wait for one who hangs in a write."""
        return self._late.waiting

    def counts(self) -> tuple[int, dict[str, int]]:
        """``(events taken, dropped by reason)``, of open and finished epochs together.

        While one hangs in a write, as they are just now.
        """
        locked = self._acquire(False) or self._queue_up()
        try:
            accepted = self.finished + self._late.waiting
            dropped = dict(self.dropped)
            for epoch in self._epochs.all():
                accepted += epoch.seq
                for name, count in dict(epoch.dropped).items():
                    dropped[name] = dropped.get(name, 0) + count
            return accepted, dropped
        finally:
            if locked:
                self._release()
                self._catch_up()


def _duration(started: float, now: float) -> bytes:
    return b',"duration_ms":%.3f' % ((now - started) * 1000) if started else b""
