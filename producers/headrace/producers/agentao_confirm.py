"""What a person answered, and that nobody did: confirmations of tool calls."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

How = Literal["callback", "policy"]
"""``callback``: somebody was asked. ``policy``: nobody was, a standing rule answered."""


@dataclass(slots=True)
class _Answer:
    """What the callback says of the answer that it is about to give."""

    who: str | None = None
    how: How | None = None


_ANSWER: Final[contextvars.ContextVar[_Answer | None]] = contextvars.ContextVar(
    "headrace_answer", default=None
)
"""Of the confirmation under way. A thread that asks in its place has the very same object."""


def answered_by(who: str | None, *, how: How = "callback") -> None:
    """Say, in a confirmation callback, who answers: it is recorded with the outcome.

    ``how="policy"`` says that nobody was asked: a standing grant, a limit, an allow list. Never
    raises; does nothing where no confirmation is recorded.
    """
    answer = _ANSWER.get()
    if answer is not None:
        answer.who, answer.how = who, how


class ConfirmTimeout(Exception):  # noqa: N818 - an answer, not a failure
    """Raised by a confirmation callback: nobody answered in time.

    Under ``attach`` agentao is then told "no", and the outcome is recorded as ``timeout``.
    """


Resolved = Callable[[dict[str, Any]], None]


def confirmation(
    resolved: Resolved, timeout: Callable[[], float | None], method: Any
) -> Callable[..., bool]:
    """Return the layer for ``confirm_tool``: it measures, bounds the wait, and tells ``resolved``.

    Answers and exceptions pass as they are. ``timeout`` gives seconds, or None to wait for ever;
    ``method`` is the transport's own.
    """

    def around(call: Callable[..., bool], *args: Any, **kwargs: Any) -> bool:
        asked = dict(zip(("tool_name", "description", "args"), args, strict=False)) | kwargs
        outcome: dict[str, Any] = {"tool": asked.get("tool_name"), "outcome": "error"}
        seconds = timeout()
        started = time.monotonic()
        try:
            if seconds is None:
                answer = call(*args, **kwargs)
            else:
                answer = _within(seconds, call, args, kwargs)
            outcome["outcome"] = "allow" if answer else "reject"
            return answer
        except ConfirmTimeout:
            outcome["outcome"] = "timeout"
            raise
        except BaseException as error:
            outcome["error"] = type(error).__name__
            raise
        finally:
            outcome["wait_ms"] = round((time.monotonic() - started) * 1000, 3)
            outcome["answered_by"], outcome["answered_how"] = _who(outcome["outcome"], method)
            outcome["args"] = asked.get("args")
            resolved(outcome)

    return around


def one_answer(call: Callable[..., bool], *args: Any, **kwargs: Any) -> bool:
    """Stand around all layers of one confirmation, which record it first.

    They share what the callback says of its answer, and agentao is told "no" where nobody answered.
    """
    token = _ANSWER.set(_Answer())
    try:
        return call(*args, **kwargs)
    except ConfirmTimeout:
        return False
    finally:
        _ANSWER.reset(token)


def _who(outcome: str, method: Any) -> tuple[str | None, str]:
    """Tell who answered, where it was said, and how. Not raising: the agent waits."""
    if outcome == "timeout":
        return None, "timeout"
    answer = _ANSWER.get() or _Answer()
    return answer.who, answer.how or ("policy" if _nobody_is_asked(method) else "callback")


def _nobody_is_asked(method: Any) -> bool:
    """Whether agentao's own transport answered by itself, without a callback."""
    try:
        from agentao.transport import SdkTransport  # noqa: PLC0415 - agentao is an extra
        from agentao.transport import confirmation as asking  # noqa: PLC0415
        from agentao.transport.non_interactive import NonInteractiveTransport  # noqa: PLC0415
        from agentao.transport.null import NullTransport  # noqa: PLC0415

        if asking.decline_reason() == asking.APPROVAL_UNAVAILABLE:
            return True
        function = getattr(method, "__func__", None)
        if function is SdkTransport.confirm_tool:
            return getattr(method.__self__, "_confirm_tool", method) is None
        return function in {NullTransport.confirm_tool, NonInteractiveTransport.confirm_tool}
    except Exception:
        return False


def _within(
    seconds: float, call: Callable[..., bool], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    """Ask in a thread of its own and wait for ``seconds``. Raises ConfirmTimeout.

    The thread has the caller's context variables, and what agentao's transports read and leave for
    the runner on the asking thread.
    """
    from agentao.transport import confirmation as asking  # noqa: PLC0415 - agentao is an extra

    note = asking.gate_note()
    done = threading.Event()
    answers: list[bool] = []
    errors: list[BaseException] = []
    declines: list[str | None] = []

    def ask() -> None:
        try:
            with asking.gated(note):
                answers.append(call(*args, **kwargs))
                declines.append(asking.decline_reason())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(ask,), name="headrace-confirm", daemon=True
    )
    try:
        thread.start()
    except RuntimeError:
        return call(*args, **kwargs)  # No more threads: better an unbounded wait than no answer.
    if not done.wait(seconds):
        raise ConfirmTimeout(f"no answer within {seconds:g} s")
    if errors:
        raise errors[0]
    if declines and declines[0] is not None:
        asking.record_decline(declines[0])
    return answers[0]
