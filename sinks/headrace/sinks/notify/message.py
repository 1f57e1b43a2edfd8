"""What a sender is handed, and what it answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from headrace.sinks.notify.notification import Notification
from headrace.sinks.notify.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Message:
    """One try of one delivery."""

    id: str
    """The same at every try."""
    at: float
    """When it is tried: Unix seconds."""
    notification: Notification
    external_url: str = ""
    """Where people look at headrace, for links."""


class Sender(Protocol):
    """Speaks one receiver's language. Used by one task at a time."""

    async def send(self, message: Message) -> Outcome:
        """Try once, within the sender's own timeouts; what went wrong is in the outcome."""
        ...

    async def close(self) -> None:
        """Release connections and threads. Safe to call twice."""
        ...
