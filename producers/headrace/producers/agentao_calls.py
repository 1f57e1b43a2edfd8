"""The application's own trace at the call of ``agent.arun()``.

``arun()`` hands its turn to a pool, whose threads have none of the caller's context. What they do
have is the turn's cancellation token: by it the turn finds the trace again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

from headrace.producers import traceparent

_PLACE: Final = 2
"""Of the token among the arguments of ``arun``."""
_NAME: Final = "cancellation_token"


class CallersTraces:
    """Of the calls of one agent that have not returned. Safe from any thread."""

    def __init__(self) -> None:
        self._by_token: dict[int, str] = {}

    def around(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stand around ``agent.arun``."""
        trace = traceparent.current()
        if trace is None:
            return call(*args, **kwargs)
        token = args[_PLACE] if len(args) > _PLACE else kwargs.get(_NAME)
        if token is None:
            from agentao.cancellation import CancellationToken  # noqa: PLC0415 - only where it is

            token = CancellationToken()  # as arun() itself would
            if len(args) > _PLACE:
                args = (*args[:_PLACE], token, *args[_PLACE + 1 :])
            else:
                kwargs[_NAME] = token
        return self._keep(trace, token, call(*args, **kwargs))

    async def _keep(self, trace: str, token: Any, turn: Coroutine[Any, Any, Any]) -> Any:
        self._by_token[id(token)] = trace
        try:
            return await turn
        finally:
            del self._by_token[id(token)]

    @contextmanager
    def carried(self, token: Any) -> Iterator[None]:
        """Let the caller's trace stand for the current span, in the thread of the turn."""
        before = traceparent.CARRIED.set(self._by_token.get(id(token)))
        try:
            yield
        finally:
            traceparent.CARRIED.reset(before)
