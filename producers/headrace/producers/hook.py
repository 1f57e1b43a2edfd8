"""The hook itself: what the agent's thread runs for each event."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final, Protocol, cast

from orjson import dumps

from headrace.producers import whose
from headrace.producers.binding import Binding
from headrace.producers.encode import cut, encode, foreign
from headrace.producers.journal import Journal
from headrace.producers.kinds import TURN_BEGINS, Kind, Kinds
from headrace.producers.warn import LOGGER


class Hook(Protocol):
    """An ``on_event`` callable bound to one session: right in every thread.

    Takes anything with a ``type`` (a string or an enum member) and ``data`` (a dict). Never
    blocks, never raises.
    """

    session: str
    binding: Binding

    def __call__(self, event: Any, /) -> None:
        """Publish one event of the runtime."""
        ...

    def emit(self, event_type: str, data: dict[str, Any]) -> None:
        """Publish an event of one's own. Never blocks, never raises."""
        ...

    def end(self, reason: str = "closed") -> None:
        """Write the end marker of the session's epoch. A later event starts another epoch."""
        ...


def make_hook(journal: Journal, kinds: Kinds, binding: Binding, max_event_bytes: int) -> Hook:
    """Make a hook: a plain function, which a runtime calls in a fifth of an instance's time."""
    put = journal.put
    last: tuple[Any, Kind] = (None, kinds.of("headrace.unreadable"))
    """The last event's type and what is known of it: events of one type come in runs."""

    def on_event(event: Any) -> None:
        nonlocal last
        # Encoded on the caller's thread: the runtime aliases data, and may change it later.
        try:
            data = event.data
            try:
                body = dumps(data, foreign)
                if body[0] != 123 or len(body) > max_event_bytes:  # noqa: PLR2004 - b"{"
                    body = _fitting(data, max_event_bytes)
            except Exception:
                body = _fitting(data, max_event_bytes)
            known = last
            if known[0] is not event.type:
                event_type = event.type
                kind = kinds.of(event_type)
                if kind.frames_turn:
                    # Not remembered: each begins in a trace of its own.
                    put(binding, framed(kind), body)
                    return
                last = known = (event_type, kind)
            put(binding, known[1], body)
        except Exception as error:
            strange(event, error)

    def framed(kind: Kind) -> Kind:
        """Enter or leave a turn; the kind as it comes now, in the calling context."""
        if kind.role != TURN_BEGINS:
            whose.end_turn(journal, binding)
            return kind
        whose.begin_turn(journal, binding)
        return kind.now()

    def emit(event_type: str, data: dict[str, Any]) -> None:
        try:
            kind = kinds.of(event_type)
            put(
                binding, framed(kind) if kind.frames_turn else kind, _fitting(data, max_event_bytes)
            )
        except Exception as error:
            strange(event_type, error)

    def end(reason: str = "closed") -> None:
        try:
            journal.end(binding.session, reason)
        except Exception as error:
            strange("end", error)

    def strange(event: Any, error: Exception) -> None:
        """Something that is not an event at all: told in the stream in place of it."""
        try:
            note = {"unreadable": type(event).__name__, "error": type(error).__name__}
            put(binding, kinds.of("headrace.unreadable"), dumps(note))
        except Exception:
            LOGGER.debug("an event could not even be counted", exc_info=True)

    hook: Any = on_event
    hook.emit, hook.end, hook.session, hook.binding = emit, end, binding.session, binding
    return cast("Hook", hook)


def _fitting(data: Any, max_bytes: int) -> bytes:
    body, _ = encode(data)
    return body if len(body) <= max_bytes else cut(body, max_bytes)


CURRENT: Final[ContextVar[dict[int, Hook] | None]] = ContextVar("headrace_hooks", default=None)
"""The hooks of the running context, by producer: ``EventProducer.bind`` sets it."""
