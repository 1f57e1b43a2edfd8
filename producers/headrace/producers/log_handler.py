"""Log records of the agent and of the application, beside the events: :class:`LogHandler`."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any, Final, TextIO

import orjson

from headrace.events import types
from headrace.producers import traceparent
from headrace.producers.binding import Binding
from headrace.producers.encode import NOTE
from headrace.producers.hosts import THREAD_NAME
from headrace.producers.kinds import Kind, kind_of
from headrace.producers.limits import CHUNK, NORMAL
from headrace.producers.log_line import line_of
from headrace.producers.log_record import Said, created, encoded, read
from headrace.producers.producer import EventProducer
from headrace.producers.report import Report
from headrace.producers.warn import Warnings

OWN: Final = "headrace"
"""headrace's own loggers: what they say of trouble with records must not make more records."""
MAX_BINDINGS: Final = 4_096
"""Sessions, users and traces that are remembered, ready to be written."""
MAX_DEPTH: Final = 3
"""Records within one another after which one is taken as it stands, so that it ends."""
_LOW: Final = kind_of(types.LOG, CHUNK)
_HIGH: Final = kind_of(types.LOG, NORMAL)
"""From ERROR on. Where space is short, logs go before events, and none takes evidence's room."""

Whose = tuple[str | None, str | None, str | None, str | None]
"""Session, user, agent, trace."""
_NOBODY: Final[Whose] = (None, None, None, None)


class LogHandler(logging.Handler):
    """Sends log records to the topic ``agent.logs``, by the spool and the shipper of a producer.

    ``logging.getLogger("agentao").addHandler(LogHandler(producer))``. Never blocks, never raises,
    whatever is logged, from any thread, from signal handlers and after a fork. Whose a record is:
    ``extra={"session_id": …, "user_id": …}``, else the session that is bound to the context, or
    whose turn it is in; else it goes to the session ``unbound``. What is logged in a session of
    another producer, another tenant's perhaps, is left to that one's handler. The tenant is the
    producer's: one in ``extra`` that is another stays there.

    ``stdout``: True, or a stream, gets each record as a line of JSON, too. That waits where the
    stream does.
    """

    def __init__(
        self,
        producer: EventProducer,
        level: int | str = logging.NOTSET,
        *,
        stdout: bool | TextIO = False,
    ) -> None:
        super().__init__(level)
        self._producer = producer
        self._stdout = stdout
        self._channel = producer.log_channel()
        self._bindings: dict[Whose, Binding] = {}
        self._inside = threading.local()
        self._warn = Warnings()

    def report(self) -> Report:
        """Say what became of the log records so far. Reads a small file; never raises."""
        return self._channel.report()

    def handle(self, record: logging.LogRecord) -> Any:
        """Take a record, without the lock that others hold while they wait for a disk."""
        kept = self.filter(record)
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return kept

    def emit(self, record: logging.LogRecord) -> None:
        """Number and store one record. Never blocks, never raises."""
        if _is_ours(record):
            return
        depth = getattr(self._inside, "depth", 0)
        self._inside.depth = depth + 1
        try:
            self._emit(record, depth)
        except Exception as error:
            self._tell(record, error)
        finally:
            self._inside.depth = depth

    def _emit(self, record: logging.LogRecord, depth: int) -> None:
        """Take a record that is logged while ``depth`` others are: by a signal, by a __str__."""
        said = read(record, self._producer.tenant, format_it=depth < MAX_DEPTH)
        if said.session is None and self._producer.stands_aside:
            return
        body = encoded(said.data, self._producer.max_event_bytes)
        whose = self._whose(said)
        kind = _HIGH if said.data["level_no"] >= logging.ERROR else _LOW
        at = created(record)
        self._put(whose, kind, body, at)
        if self._stdout and not depth:  # the stream is busy with the first, or logs itself
            self._print(line_of(at, self._producer.tenant, whose, body))

    def _whose(self, said: Said) -> Whose:
        bound = self._producer.whose()
        session, user, agent, trace = _NOBODY
        if bound is not None and said.session in {None, bound.session}:
            session, user, agent, trace = bound.session, bound.user, bound.agent, bound.trace
        return said.session or session, said.user or user, agent, traceparent.current() or trace

    def _put(self, whose: Whose, kind: Kind, body: bytes, made: float) -> None:
        binding = self._bindings.get(whose)
        if binding is None:
            session, user, agent, trace = whose
            binding = Binding(self._producer.tenant, session, user=user, agent=agent, trace=trace)
            if len(self._bindings) >= MAX_BINDINGS:
                self._bindings.clear()
            self._bindings[whose] = binding
        self._channel.journal.put(binding, kind, body, made=made)

    def _print(self, line: str) -> None:
        stream = sys.stdout if self._stdout is True else self._stdout
        try:
            stream.write(line)  # type: ignore[union-attr]
            stream.flush()  # type: ignore[union-attr]
        except Exception as error:  # closed, full, or written to by whom a signal interrupted
            self._warn("stdout", "headrace cannot print log records: %r", error)

    def _tell(self, record: logging.LogRecord, error: Exception) -> None:
        """A record that is none: told in its place."""
        try:
            note = {"unreadable": type(record).__name__, "error": type(error).__name__}
            data = {"level": "ERROR", "level_no": logging.ERROR, "logger": OWN, "message": ""}
            self._put(_NOBODY, _HIGH, orjson.dumps({**data, NOTE: note}), 0.0)
        except Exception as untold:
            self._warn("log", "headrace could not even count a log record: %r", untold)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether headrace is speaking, or a library on its shipper's thread."""
    name = record.name
    return (
        name == OWN
        or (isinstance(name, str) and name.startswith("headrace."))
        or record.threadName == THREAD_NAME
    )
