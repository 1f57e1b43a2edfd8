"""Whose events they are: session, user, agent and trace, bound to a hook or to a context."""

from __future__ import annotations

from typing import Any, Final

import orjson

from headrace.events.envelope import VERSION
from headrace.events.identity import UNBOUND_SESSION
from headrace.producers.encode import text_of
from headrace.producers.epoch import Epoch

_NEVER: Final = Epoch("", 0.0)
_NEVER.open = False


class Binding:
    """The part of the envelope that is the same for all events of one hook in one turn.

    ``epoch``, ``prefix`` and the turn's trace belong together and change under the journal's lock.
    """

    __slots__ = (
        *("_given", "_head", "_part"),
        *("agent", "epoch", "prefix", "session", "trace", "user"),
    )

    def __init__(
        self,
        tenant: str,
        session: str | None,
        *,
        user: str | None = None,
        agent: str | None = None,
        trace: str | None = None,
    ) -> None:
        self.session = text_of(session) if session else UNBOUND_SESSION
        self.user = None if user is None else text_of(user)
        self.agent = None if agent is None else text_of(agent)
        self.trace = None if trace is None else text_of(trace)
        fields: dict[str, Any] = {"v": VERSION, "tenant": tenant, "session": self.session}
        for name in ("user", "agent"):
            if (value := getattr(self, name)) is not None:
                fields[name] = value
        self._head = orjson.dumps(fields)[:-1]
        self._given = trace is not None
        self._part = _trace_part(self.trace)
        self.epoch = _NEVER
        self.prefix = b""

    def enter(self, epoch: Epoch) -> None:
        """Number from now on in this epoch."""
        self.epoch = epoch
        self.prefix = b'%b%b,"epoch":"%b","seq":' % (self._head, self._part, epoch.id.encode())

    def follow(self, trace: str | None) -> None:
        """Say this trace from now on, or none; one that was given for good stays."""
        if trace == self.trace or self._given:
            return
        self.trace = None if trace is None else text_of(trace)
        self._part = _trace_part(self.trace)
        self.enter(self.epoch)


def _trace_part(trace: str | None) -> bytes:
    return b"" if trace is None else b',"trace":' + orjson.dumps(trace)
