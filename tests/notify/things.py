"""Transitions, a clock that a test moves, a name server that lies, a sender that does as told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from headrace.sinks.notify.addresses import Address
from headrace.sinks.notify.message import Message
from headrace.sinks.notify.notification import Notification
from headrace.sinks.notify.notifier import Notifier
from headrace.sinks.notify.outcome import Outcome

NOW = 1_764_000_000.0


def transition(
    state: str = "firing", alert: str = "a1", seq: int = 1, **more: Any
) -> dict[str, Any]:
    return {
        "v": 1,
        "id": alert,
        "rule": "ToolFailureRate",
        "state": state,
        "previous": "pending" if state == "firing" else "firing",
        "severity": "warning",
        "tenant": "acme",
        "group": {"tenant": "acme", "tool": "run_sql"},
        "labels": {"team": "data"},
        "annotations": {"summary": "run_sql fails in 23 % of its calls"},
        "value": 0.23,
        "samples": 41,
        "threshold": 0.1,
        "comparison": "above",
        "pane": 1_764_000_050,
        "starts_at": NOW + 50,
        "ends_at": NOW + 120 if state == "resolved" else None,
        "at": NOW + 62,
        "receivers": ["ops"],
        "seq": seq,
        **more,
    }


def notification(
    *transitions: dict[str, Any], receiver: str = "ops", group: str = "g"
) -> Notification:
    return Notification(receiver, group, {"tenant": "acme"}, transitions or (transition(),))


@asynccontextmanager
async def started(notifier: Notifier) -> AsyncIterator[Notifier]:
    await notifier.start()
    try:
        yield notifier
    finally:
        await notifier.close()


class ManualClock:
    """Moves when it is told to. ``waits``: how long each wants to wait who still has to."""

    def __init__(self, now: float = NOW) -> None:
        self._now = now
        self._sleepers: list[tuple[float, asyncio.Event, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (float("inf") if seconds is None else self._now + seconds, event, over)
        self._sleepers.append(sleeper)
        woken = asyncio.ensure_future(event.wait())
        woken.add_done_callback(lambda _: _finish(over))
        try:
            await over
        finally:
            self._sleepers.remove(sleeper)
            woken.cancel()

    @property
    def waits(self) -> list[float]:
        return [
            until - self._now
            for until, event, over in self._sleepers
            if not over.done() and not event.is_set()
        ]

    def advance(self, seconds: float) -> None:
        self._now += seconds
        for until, _, over in self._sleepers:
            if until <= self._now:
                _finish(over)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Names:
    """Answers each name with the next of its answers; the last one stays."""

    def __init__(self, **answers: Iterable[list[Address]]) -> None:
        self._answers = {
            name.replace("_", "."): deque(several) for name, several in answers.items()
        }
        self.asked: list[str] = []

    async def addresses(self, host: str) -> list[Address]:
        self.asked.append(host)
        answers = self._answers.get(host)
        if not answers:
            raise OSError("Name or service not known")
        return answers[0] if len(answers) == 1 else answers.popleft()

    def close(self) -> None:
        pass


class ScriptedSender:
    """Ends each try as the script says, then delivers."""

    def __init__(self, *script: Outcome | Exception) -> None:
        self.script = deque(script)
        self.sent: list[Message] = []
        self.gate: asyncio.Event | None = None
        """Where set: every try hangs until it is open."""
        self.closed = False

    async def send(self, message: Message) -> Outcome:
        self.sent.append(message)
        if self.gate is not None:
            await self.gate.wait()
        outcome = self.script.popleft() if self.script else Outcome("delivered", "answered 200")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def close(self) -> None:
        self.closed = True

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.sent]
