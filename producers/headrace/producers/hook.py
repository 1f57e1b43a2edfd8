"""The hook itself: what the agent's thread runs for each event."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

from orjson import dumps

from headrace.producers.binding import Binding
from headrace.producers.encode import cut, encode, foreign
from headrace.producers.journal import Journal
from headrace.producers.kinds import Kinds
from headrace.producers.warn import LOGGER


class Hook:
    """An ``on_event`` callable bound to one session: right in every thread.

    Takes anything with a ``type`` (a string or an enum member) and ``data`` (a dict). Never
    blocks, never raises.
    """

    __slots__ = ("_binding", "_journal", "_kinds", "_known", "_max_bytes", "_put")

    def __init__(
        self, journal: Journal, kinds: Kinds, binding: Binding, max_event_bytes: int
    ) -> None:
        self._journal = journal
        self._put = journal.put
        self._kinds = kinds
        self._known = kinds.by_id
        self._binding = binding
        self._max_bytes = max_event_bytes

    def __call__(self, event: Any) -> None:
        """Publish one event of the runtime."""
        # Encoded on the caller's thread: the runtime aliases data, and may change it later.
        try:
            data = event.data
            try:
                body = dumps(data, foreign)
                if body[0] != 123 or len(body) > self._max_bytes:  # noqa: PLR2004 - b"{"
                    body = self._unusual(data)
            except Exception:
                body = self._unusual(data)
            event_type = event.type
            known = self._known.get(id(event_type))
            kind = known[1] if known else self._kinds.of(event_type)
            self._put(self._binding, kind, body)
        except Exception as error:
            self._strange(event, error)

    def emit(self, event_type: str, data: dict[str, Any]) -> None:
        """Publish an event of one's own. Never blocks, never raises."""
        try:
            body, _ = encode(data)
            if len(body) > self._max_bytes:
                body = cut(body, self._max_bytes)
            self._put(self._binding, self._kinds.of(event_type), body)
        except Exception as error:
            self._strange(event_type, error)

    def end(self, reason: str = "closed") -> None:
        """Write the end marker of the session's epoch. A later event starts another epoch."""
        try:
            self._journal.end(self._binding.session, reason)
        except Exception as error:
            self._strange("end", error)

    @property
    def session(self) -> str:
        return self._binding.session

    def _unusual(self, data: Any) -> bytes:
        body, _ = encode(data)
        return body if len(body) <= self._max_bytes else cut(body, self._max_bytes)

    def _strange(self, event: Any, error: Exception) -> None:
        """Something that is not an event at all: told in the stream in place of it."""
        try:
            note = {"unreadable": type(event).__name__, "error": type(error).__name__}
            self._put(self._binding, self._kinds.of("headrace.unreadable"), dumps(note))
        except Exception:
            LOGGER.debug("an event could not even be counted", exc_info=True)


CURRENT: Final[ContextVar[dict[int, Hook] | None]] = ContextVar("headrace_hooks", default=None)
"""The hooks of the running context, by producer: ``EventProducer.bind`` sets it."""
