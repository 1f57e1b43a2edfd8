"""The hook's front door: :class:`EventProducer`."""

from __future__ import annotations

import asyncio
import atexit
import os
import secrets
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, TypeVar

from headrace.events import settings as events_settings
from headrace.events import topics
from headrace.events.errors import SettingsError
from headrace.events.settings import KafkaSettings
from headrace.producers import condition, whose
from headrace.producers.binding import Binding
from headrace.producers.channel import Channel
from headrace.producers.encode import text_of
from headrace.producers.epoch import Epochs
from headrace.producers.hook import CURRENT, Hook, make_hook
from headrace.producers.hosts import Host, ProcessHost, ThreadHost, runs_in_python
from headrace.producers.journal import Journal
from headrace.producers.kinds import Kinds
from headrace.producers.lane import Destination
from headrace.producers.limits import Quota
from headrace.producers.memory import MemoryQueue
from headrace.producers.report import Report
from headrace.producers.shipping import (
    Job,
    encode_job,
    fits_a_pipe,
    ship_lanes,
    ship_memory,
)
from headrace.producers.spool import SpoolWriter
from headrace.producers.store import Store
from headrace.producers.warn import Warnings

Own = TypeVar("Own", bound="EventProducer")
MIB: Final = 1024 * 1024
POLL: Final = 0.01
"""Seconds between two looks at the counts while a flush waits."""

RESTART: Final = 5.0
"""Seconds between two starts of a shipper that does not stay."""

_LIVING: Final[weakref.WeakSet[EventProducer]] = weakref.WeakSet()


class EventProducer:
    """Publishes every event of an agent runtime to Kafka, without the agent ever feeling it.

    The instance is itself an ``on_event`` callable; :meth:`hook` gives one that is bound to a
    session and right in every thread. Calls never block, never raise, and may come from any
    thread, from signal handlers and after a fork. Everything else may be called from any thread.

    ``durability="spool"``: what a call returned from survives ``kill -9`` of this process; a
    shipper in a process of its own carries it to Kafka. ``durability="memory"``: kept in this
    process, at most ``memory_max_bytes``, and carried by a thread.

    Raises :class:`SettingsError` where an argument is wrong; what is wrong with the world (no
    Kafka, no disk) is waited for, counted and warned of once a minute.
    """

    def __init__(
        self,
        kafka: str | KafkaSettings,
        *,
        tenant: str,
        spool_dir: str | Path | None = None,
        durability: str = "spool",
        topic_prefix: str = "",
        max_event_bytes: int = 900_000,
        spool_max_bytes: int = 1024 * MIB,
        memory_max_bytes: int = 32 * MIB,
        spool_keep: float | None = None,
        max_sessions: int = 10_000,
        session_idle: float = 3600.0,
        shipper: Literal["process", "thread"] | None = None,
    ) -> None:
        if not tenant:
            raise SettingsError("tenant must not be empty: say whose events these are")
        if durability not in ("spool", "memory"):
            raise SettingsError(f'durability must be "spool" or "memory", not {durability!r}')
        self._kafka = kafka if isinstance(kafka, KafkaSettings) else KafkaSettings(kafka)
        self._tenant = text_of(tenant)
        self._topic = topic_prefix + topics.EVENTS
        self._log_topic = topic_prefix + topics.LOGS
        self._spool_dir = Path(spool_dir or _default_spool_dir()).absolute()
        self._max_event_bytes = max_event_bytes
        self._spool_quota = Quota(spool_max_bytes)
        self._spool_keep = spool_keep
        self._durability = durability
        self._memory_max_bytes = memory_max_bytes
        self._max_sessions = max_sessions
        self._session_idle = session_idle
        self._warn = Warnings()
        self._kinds = Kinds()
        self._id = secrets.token_hex(8)
        self._start_at: dict[Host, float] = {}
        """When each host may be started."""
        self._lane_host = self._host_of_lanes(shipper or "process")
        self._start_at[self._lane_host] = 0.0
        self._channels: tuple[Channel, ...] = ()
        self._making = threading.Lock()
        self._log_channel: Channel | None = None
        self._events = self._open_channel(self._topic)
        self._journal = self._events.journal
        self._store = self._events.store
        self._memory = self._events.memory
        self._closed = self._finished = False
        self._unbound = self._hook(Binding(self._tenant, None))
        self._journal.check()
        _LIVING.add(self)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> EventProducer:
        """Make one from ``HEADRACE_KAFKA``, ``HEADRACE_TENANT`` and the others.

        Raises :class:`SettingsError` that names the variable.
        """
        found = events_settings.load(environ)
        if not found.tenant:
            raise SettingsError("HEADRACE_TENANT is not set: say whose events these are")
        return cls(
            found.need_kafka(),
            tenant=found.tenant,
            spool_dir=found.spool,
            durability=found.durability,
            topic_prefix=found.topic_prefix,
            max_event_bytes=found.max_event_bytes,
        )

    # ── events ───────────────────────────────────────────────────────────────

    def __call__(self, event: Any) -> None:
        """Publish an event for the session that :meth:`bind` bound to this context.

        Without one it goes to the session ``unbound``, never into another's.
        """
        bound = CURRENT.get()
        hook = bound.get(id(self)) if bound else None
        (hook or self._unbound)(event)

    def hook(
        self,
        session: str | None = None,
        *,
        user: str | None = None,
        agent: str | None = None,
        trace: str | None = None,
    ) -> Hook:
        """Return an ``on_event`` callable for one session, right in every thread.

        ``trace`` is a W3C traceparent, of all its events. Without it each turn continues the trace
        of the span that is current where it begins. Turns of one hook that run at the same time
        are one turn to it: the last to begin says its number and its trace.
        """
        return self._hook(Binding(self._tenant, session, user=user, agent=agent, trace=trace))

    def async_hook(
        self,
        session: str | None = None,
        *,
        user: str | None = None,
        agent: str | None = None,
        trace: str | None = None,
    ) -> Callable[[Any], Coroutine[Any, Any, None]]:
        """Return the same as a coroutine function, for runtimes that await their hook."""
        hook = self.hook(session, user=user, agent=agent, trace=trace)

        async def on_event(event: Any) -> None:
            hook(event)

        return on_event

    @contextmanager
    def bind(
        self,
        session: str | None = None,
        *,
        user: str | None = None,
        agent: str | None = None,
        trace: str | None = None,
    ) -> Iterator[Hook]:
        """Bind a session to the running context, for ``on_event=producer``.

        Context variables reach ``chat()`` and its tools, not ``arun()``: use :meth:`attach` or
        :meth:`hook` there.
        """
        hook = self.hook(session, user=user, agent=agent, trace=trace)
        token = CURRENT.set((CURRENT.get() or {}) | {id(self): hook})
        entered = whose.CURRENT.set(whose.entered(self._journal, hook.binding))
        try:
            yield hook
        finally:
            whose.CURRENT.reset(entered)
            CURRENT.reset(token)

    def attach(self, agent: Any, **options: Any) -> AbstractContextManager[Any]:
        """Record all of an agentao agent: see :func:`headrace.producers.agentao.attach`."""
        from headrace.producers.agentao import attach  # noqa: PLC0415 - agentao is an extra

        return attach(self, agent, **options)

    def _hook(self, binding: Binding) -> Hook:
        return make_hook(self._journal, self._kinds, binding, self._max_event_bytes)

    # ── log records ──────────────────────────────────────────────────────────

    @property
    def tenant(self) -> str:
        return self._tenant

    @property
    def max_event_bytes(self) -> int:
        """Bytes of ``data`` above which it is cut."""
        return self._max_event_bytes

    def log_channel(self) -> Channel:
        """Return the way of log records to ``agent.logs``: a lane beside that of the events."""
        with self._making:
            if self._log_channel is None:
                self._log_channel = self._open_channel(self._log_topic)
                self._log_channel.journal.check()  # the disk is touched here, not by a record
                if self._closed:
                    self._log_channel.journal.close()
                    self._log_channel.finish()
            return self._log_channel

    def whose(self) -> Binding | None:
        """Return whose the running code is, by :meth:`bind` or by the turn that it is part of."""
        return whose.find(self._journal)

    @property
    def stands_aside(self) -> bool:
        """Whether the running code is in a session of other producers alone."""
        return whose.of_others(self._journal)

    # ── delivery ─────────────────────────────────────────────────────────────

    def report(self) -> Report:
        """Say what became of the events so far. Reads a small file; never raises."""
        return self._events.report()

    def drain(self, timeout: float) -> bool:
        """Wait until Kafka has all that was accepted before: whether it had in ``timeout`` s.

        Log records, too.
        """
        for channel in self._channels:
            channel.journal.check()
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        while any(channel.report().spooled > 0 for channel in self._channels):
            if time.monotonic() >= deadline:
                return False
            self._look_after_hosts()
            pause.wait(POLL)
        return True

    async def flush(self, timeout: float = 5.0) -> bool:
        """:meth:`drain` without blocking the event loop."""
        return await asyncio.to_thread(self.drain, timeout)

    def close(self, timeout: float = 5.0) -> Report:
        """End every session's epoch, wait for at most ``timeout`` s, and let go of the spool.

        What is still spooled then is delivered by the next producer of the directory. Later events
        are counted as dropped. Safe to call twice.
        """
        if self._finished:
            return self.report()
        self._close_journals()
        deadline = time.monotonic() + timeout
        self.drain(timeout)
        patience = max(1.0, deadline - time.monotonic())
        for channel in self._channels:
            channel.memory_host.stop(patience)
        self._lane_host.stop(patience)
        return self._finish()

    def _close_journals(self) -> None:
        self._closed = True
        for channel in self._channels:
            channel.journal.close()

    def _finish(self) -> Report:
        self._finished = True
        for channel in self._channels:
            channel.finish()
        return self.report()

    def _at_exit(self) -> None:
        """The interpreter ends without :meth:`close`: the shipper's process goes on by itself."""
        if self._finished:
            return
        self._close_journals()
        for channel in self._channels:
            channel.wait_for_memory(self.drain)
            channel.memory_host.stop(1.0)
        if any(channel.needs_lanes_shipped() for channel in self._channels):
            self._lane_host.leave()
        self._finish()

    async def __aenter__(self: Own) -> Own:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ── shippers ─────────────────────────────────────────────────────────────

    def _job(self, topic: str) -> Job:
        return Job(
            spool_dir=str(self._spool_dir),
            topic=topic,
            producer=self._id,
            max_event_bytes=self._max_event_bytes,
            spool_keep=self._spool_keep,
        )

    def _job_of_lanes(self) -> Job:
        return replace(self._job(self._topic), more_topics=(self._log_topic,))

    def _open_channel(self, topic: str) -> Channel:
        memory = MemoryQueue(Quota(self._memory_max_bytes))
        ship = partial(self._ship_memory, memory, topic)
        memory_host = ThreadHost(ship)
        self._start_at[memory_host] = 0.0
        store = Store(
            partial(self._open_spool, topic) if self._durability == "spool" else None,
            memory,
            self._warn,
            on_memory=lambda: self._keep_running(memory_host),
        )
        journal = Journal(
            lambda session: Binding(self._tenant, session),
            store,
            Epochs(max_sessions=self._max_sessions, idle_seconds=self._session_idle),
            self._warn,
            on_look=self._look_after_hosts,
        )
        channel = Channel(journal, store, memory, memory_host)
        self._channels = (*self._channels, channel)
        return channel

    def _open_spool(self, topic: str) -> SpoolWriter:
        destination = Destination.of(topic, self._kafka)
        return SpoolWriter(self._spool_dir, destination, self._id, self._spool_quota)

    async def _ship_lanes(self, stop: asyncio.Event) -> None:
        await ship_lanes(self._job_of_lanes(), self._kafka, stop, self._warn)

    async def _ship_memory(self, memory: MemoryQueue, topic: str, stop: asyncio.Event) -> None:
        await ship_memory(memory, self._job(topic), self._kafka, stop, self._warn)

    def _look_after_hosts(self) -> None:
        """Start what should run and does not. On the agent's thread, so not here but beside it."""
        if any(channel.needs_lanes_shipped() for channel in self._channels):
            self._keep_running(self._lane_host)
        if any(channel.store.spool is not None for channel in self._channels):
            self._lane_host.listen()  # else the disk may hang
        for channel in self._channels:
            if channel.memory.used_bytes:
                self._keep_running(channel.memory_host)

    def _host_of_lanes(self, shipper: str) -> Host:
        if shipper != "process" or not fits_a_pipe(self._kafka):
            return ThreadHost(self._ship_lanes)
        if not runs_in_python():
            why = "headrace ships from a thread of this process: %r is not Python's own program"
            self._warn("shipper", why, sys.executable)
            return ThreadHost(self._ship_lanes)
        return ProcessHost(
            lambda: encode_job(self._job_of_lanes(), self._kafka),
            lambda: condition.read(condition.path_of(self._spool_dir, self._id)),
            self._warn,
        )

    def _at_once(self) -> dict[Host, float]:
        return {self._lane_host: 0.0, **{each.memory_host: 0.0 for each in self._channels}}

    def _keep_running(self, host: Host) -> None:
        due = self._start_at.pop(host, None)
        if due is None:
            return  # another thread has it in hand
        try:
            if host.alive() or time.monotonic() < due:
                return
            due = time.monotonic() + RESTART
        finally:
            self._start_at[host] = due
        threading.Thread(target=host.start, name="headrace-start", daemon=True).start()

    def _after_fork(self) -> None:
        self._id = secrets.token_hex(8)
        self._closed = self._finished = False
        self._start_at = self._at_once()
        self._making = threading.Lock()
        self._warn = Warnings()
        for channel in self._channels:
            channel.after_fork()
        self._lane_host.forget()


def _default_spool_dir() -> Path:
    return events_settings.default_state_dir(os.environ) / "spool"


def _after_fork() -> None:
    for producer in list(_LIVING):
        producer._after_fork()  # noqa: SLF001 - the module's own


def _at_exit() -> None:
    for producer in list(_LIVING):
        producer._at_exit()  # noqa: SLF001 - the module's own


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
