"""Everything that an agentao agent does, recorded: ``with producer.attach(agent): ...``.

Beside the events of the agent's transport these are recorded: the session's start and end, the
decisions of permission rules, what became of each confirmation and who answered, memory that was
cleared, and what sub-agents did. The agent's own behaviour does not change, but for
``confirm_timeout`` and a raised :class:`ConfirmTimeout`, which are answers of "no". Nothing here
raises into the agent: where a part of it cannot be listened to, that is logged, and the rest is
recorded.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Protocol, final

from headrace.events import types
from headrace.producers import agentao_nesting as nesting
from headrace.producers.agentao_calls import CallersTraces
from headrace.producers.agentao_children import follow_children
from headrace.producers.agentao_confirm import ConfirmTimeout, confirmation, one_answer
from headrace.producers.agentao_host import HostEvents
from headrace.producers.agentao_nesting import Place
from headrace.producers.agentao_taps import innermost, listen, tap, untapped
from headrace.producers.warn import Warnings

__all__ = ["Attachment", "ConfirmTimeout", "attach"]


class Hook(Protocol):
    """What a producer binds to one session. Never raises."""

    def __call__(self, event: Any, /) -> None: ...
    def emit(self, type: str, data: dict[str, Any], /) -> None: ...  # noqa: A002 - the field's name
    def end(self, reason: str = "closed") -> None: ...


class Producer(Protocol):
    """The part of ``EventProducer`` that is needed here."""

    def hook(
        self,
        session: str | None = None,
        *,
        user: str | None = None,
        agent: str | None = None,
        trace: str | None = None,
    ) -> Hook: ...


def attach(
    producer: Producer,
    agent: Any,
    *,
    user: str | None = None,
    session: str | None = None,
    agent_name: str | None = None,
    trace: str | None = None,
    confirm_timeout: float | None = None,
) -> Attachment:
    """Record all that ``agent`` does while the context lasts; use it with ``with``.

    Right around ``agent.chat()`` and ``await agent.arun()`` alike, in every thread that the agent
    uses. Without ``session`` it is agentao's own session id, and follows where that changes (a new
    id is looked for at the start of each turn). With ``confirm_timeout`` (seconds) a confirmation
    that takes longer is answered "no"; the callback then runs in a thread of its own, with the
    caller's context variables. Without ``trace`` each turn continues the trace of the span that is
    current where ``chat()`` or ``arun()`` is called. Where attachments of one producer to one agent
    are nested, the innermost records.
    """
    return Attachment(
        producer,
        agent,
        user=user,
        session=session,
        agent_name=agent_name,
        trace=trace,
        confirm_timeout=confirm_timeout,
    )


_WARN: Final = Warnings()


@final
class Attachment:
    """One agent under record. A context manager, for use once."""

    def __init__(
        self,
        producer: Producer,
        agent: Any,
        *,
        user: str | None,
        session: str | None,
        agent_name: str | None,
        trace: str | None,
        confirm_timeout: float | None,
    ) -> None:
        self._producer = producer
        self._agent = agent
        self._user = user
        self._given_session = session
        self._name = agent_name or type(agent).__name__.lower()
        self._trace = trace
        self._confirm_timeout = confirm_timeout
        self._host = HostEvents()
        self._asked = threading.local()
        self._clears = threading.local()
        self._callers = CallersTraces()
        self._undo: list[Callable[[], object]] = []
        self._memory: Any = None
        self._untap_memory: list[Callable[[], None]] = []
        self._place = Place(producer, session=session or self._own_session())
        self._hook = self._new_hook()

    @property
    def session(self) -> str:
        """The session that is recorded now."""
        return self._place.session

    # The context.

    def __enter__(self) -> Attachment:
        self._guard("nesting", lambda: nesting.enter(self._agent, self._place))
        self._guard("events", self._listen)
        self._guard("confirmations", self._tap_confirmations)
        self._guard("permission decisions", self._observe)
        self._guard("sub-agents", self._follow_children)
        self._guard("memory", self._follow_memory)
        self._guard("the caller's trace", self._follow_calls)
        if not self._place.continues:
            self._guard("the session's start", lambda: self._emit_start({}))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        continues = self._place.continues
        for undo in reversed(self._undo):
            self._guard("detaching", undo)
        self._guard("detaching", self._untap_all_memory)
        if not continues:
            self._guard("the session's end", lambda: self._emit_end(_reason(error)))
        self._guard("nesting", lambda: nesting.leave(self._agent, self._place))

    # Where to listen.

    def _listen(self) -> None:
        self._undo.append(listen(innermost(self._agent.transport), self._on_event))

    def _tap_confirmations(self) -> None:
        transport = innermost(self._agent.transport)
        method = untapped(transport, "confirm_tool")
        around = confirmation(self._on_answer, lambda: self._confirm_timeout, method)
        self._undo.append(tap(transport, "confirm_tool", around, finish=one_answer))

    def _observe(self) -> None:
        self._agent.add_host_event_observer(self._on_host_event)
        self._undo.append(lambda: self._agent.remove_host_event_observer(self._on_host_event))

    def _follow_children(self) -> None:
        self._undo.append(
            follow_children(
                self._agent,
                self._on_host_event,
                self._on_child_event,
                lambda error: _WARN("child", "a sub-agent cannot be recorded: %r", error),
            )
        )

    def _follow_calls(self) -> None:
        self._undo.append(tap(self._agent, "arun", self._callers.around))

    def _follow_memory(self) -> None:
        """Listen to the memory manager that the agent has now: a host may give it another."""
        memory = self._agent.memory_manager
        if memory is self._memory:
            return
        self._untap_all_memory()
        self._memory = memory
        for name in dir(type(memory)):
            if name.startswith(("clear", "wipe")) and callable(getattr(memory, name)):
                self._untap_memory.append(tap(memory, name, self._clearing(name)))

    def _untap_all_memory(self) -> None:
        while self._untap_memory:
            self._untap_memory.pop()()

    # What is heard.

    def _on_event(self, event: Any) -> None:
        if not self._place.recording:
            return
        kind = getattr(event, "type", None)
        try:
            if kind == types.TURN_BEGIN:
                self._follow_session()
                self._follow_memory()
            elif kind == types.TOOL_CONFIRMATION:
                self._asked.call_id = event.data.get("call_id")
            elif kind == "agent_start":
                self._host.saw_start(event.data.get("child_task_id"))
        except Exception as error:
            _WARN("follow", "an event could not be followed: %r", error)
        try:
            if kind == types.TURN_BEGIN:
                with self._callers.carried(getattr(self._agent, "_current_token", None)):
                    self._hook(event)
            else:
                self._hook(event)
        except Exception as error:
            _WARN("event", "an event could not be recorded: %r", error)

    def _on_host_event(self, event: Any) -> None:
        if not self._place.recording:
            return
        try:
            for kind, data in self._host.map(event, self._own_session()):
                self._hook.emit(kind, data)
        except Exception as error:
            _WARN("host", "a host event could not be recorded: %r", error)

    def _on_child_event(self, session: str, event: Any) -> None:
        if not self._place.recording:
            return
        try:
            for kind, data in self._host.of_child(event, session):
                self._hook.emit(kind, data)
        except Exception as error:
            _WARN("child event", "an event of a sub-agent could not be recorded: %r", error)

    def _on_answer(self, outcome: dict[str, Any]) -> None:
        call_id = getattr(self._asked, "call_id", None)
        self._asked.call_id = None
        if self._place.recording:
            data = outcome | {"call_id": call_id}
            self._guard(
                "a confirmation", lambda: self._hook.emit(types.CONFIRMATION_RESOLVED, data)
            )

    def _clearing(self, method: str) -> Callable[..., Any]:
        def around(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            if getattr(self._clears, "under_way", False):
                return call(*args, **kwargs)  # A part of what is being recorded.
            data: dict[str, Any] = {"cause": "memory_manager", "method": method}
            scope = args[0] if args else kwargs.get("scope")
            if scope is not None:
                data["scope"] = scope
            self._clears.under_way = True
            try:
                data["cleared"] = call(*args, **kwargs)
                return data["cleared"]
            except BaseException as error:
                data["error"] = type(error).__name__
                raise
            finally:
                self._clears.under_way = False
                if self._place.recording:
                    self._guard("memory", lambda: self._hook.emit(types.MEMORY_CLEARED, data))

        return around

    # The session.

    def _own_session(self) -> str:
        return str(getattr(self._agent, "_session_id", "") or "")

    def _new_hook(self) -> Hook:
        return self._producer.hook(
            session=self.session or None, user=self._user, agent=self._name, trace=self._trace
        )

    def _follow_session(self) -> None:
        own = self._own_session()
        if self._given_session is not None or own == self.session:
            return
        before = self.session
        self._emit_end({"reason": "session_changed", "next_session": own})
        self._place.session = own
        self._hook = self._new_hook()
        self._emit_start({"previous_session": before})

    def _emit_start(self, more: dict[str, Any]) -> None:
        agent = self._agent
        data = {
            "agent": self._name,
            "model": getattr(getattr(agent, "llm", None), "model", None),
            "working_directory": str(getattr(agent, "working_directory", "")) or None,
            "permission_mode": getattr(agent.active_permissions(), "mode", None),
        }
        self._hook.emit(types.SESSION_START, data | more)

    def _emit_end(self, data: dict[str, Any]) -> None:
        self._hook.emit(types.SESSION_END, data)
        self._hook.end()

    def _guard(self, what: str, do: Callable[[], object]) -> None:
        try:
            do()
        except Exception as error:
            _WARN(what, "%s of an agent cannot be recorded: %r", what, error)


def _reason(error: BaseException | None) -> dict[str, Any]:
    if error is None:
        return {"reason": "closed"}
    cancelled = isinstance(error, (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit))
    return {"reason": "cancelled" if cancelled else "error", "error": type(error).__name__}
