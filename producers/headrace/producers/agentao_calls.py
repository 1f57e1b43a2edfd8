"""The application's own trace at the call of ``agent.arun()``.

``arun()`` hands its turn to a pool, whose threads have none of the caller's context. What they do
have is the turn's cancellation token: by it the turn finds the trace again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from headrace.producers import traceparent
from headrace.producers.warn import Warnings

_PLACE: Final = 2
"""Of the token among the arguments of ``arun``."""
_NAME: Final = "cancellation_token"
_WARN: Final = Warnings()


class CallersTraces:
    """Of the calls of one agent that have not returned. Safe from any thread."""

    def __init__(self) -> None:
        self._by_token: dict[int, str] = {}

    def around(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stand around ``agent.arun``. Raises nothing of its own."""
        trace = traceparent.current()
        if trace is None:
            return call(*args, **kwargs)
        try:
            token, args, kwargs = _with_token(args, kwargs)
        except Exception as error:
            _WARN("call", "the trace of a call of arun() is lost: %r", error)
            return call(*args, **kwargs)
        return self._keep(trace, token, call, args, kwargs)

    async def _keep(
        self,
        trace: str,
        token: Any,
        call: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        self._by_token[id(token)] = trace
        try:
            return await call(*args, **kwargs)
        finally:
            self._by_token.pop(id(token), None)  # two calls may share a token

    @contextmanager
    def carried(self, token: Any) -> Iterator[None]:
        """Let the caller's trace stand for the current span, in the thread of the turn."""
        before = traceparent.CARRIED.set(self._by_token.get(id(token)))
        try:
            yield
        finally:
            traceparent.CARRIED.reset(before)


def _with_token(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Return the call's token, a new one as ``arun()`` itself would make it, and the arguments."""
    positional = len(args) > _PLACE
    token = args[_PLACE] if positional else kwargs.get(_NAME)
    if token is not None:
        return token, args, kwargs
    from agentao.cancellation import CancellationToken  # noqa: PLC0415 - agentao is an extra

    token = CancellationToken()
    if positional:
        return token, (*args[:_PLACE], token, *args[_PLACE + 1 :]), kwargs
    return token, args, kwargs | {_NAME: token}
