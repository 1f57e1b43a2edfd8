"""What a person answered, and that nobody did: confirmations of tool calls."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from typing import Any


class ConfirmTimeout(Exception):  # noqa: N818 - an answer, not a failure
    """Raised by a confirmation callback: nobody answered in time.

    Under ``attach`` agentao is then told "no", and the outcome is recorded as ``timeout``.
    """


Resolved = Callable[[dict[str, Any]], None]


def confirmation(resolved: Resolved, timeout: Callable[[], float | None]) -> Callable[..., bool]:
    """Return the layer for ``confirm_tool``: it measures, bounds the wait, and tells ``resolved``.

    Answers and exceptions pass as they are. ``timeout`` gives seconds, or None to wait for ever.
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
            outcome["args"] = asked.get("args")
            resolved(outcome)

    return around


def no_answer_is_no(call: Callable[..., bool], *args: Any, **kwargs: Any) -> bool:
    """Tell agentao "no" where nobody answered. Stands around all layers: each records it first."""
    try:
        return call(*args, **kwargs)
    except ConfirmTimeout:
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
