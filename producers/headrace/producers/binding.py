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

    __slots__ = ("_given", "_head", "_trace", "epoch", "prefix", "session")

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
        fields: dict[str, Any] = {"v": VERSION, "tenant": tenant, "session": self.session}
        for name, value in (("user", user), ("agent", agent)):
            if value is not None:
                fields[name] = text_of(value)
        self._head = orjson.dumps(fields)[:-1]
        self._given = trace is not None
        self._trace = _trace_part(trace)
        self.epoch = _NEVER
        self.prefix = b""

    def enter(self, epoch: Epoch) -> None:
        """Number from now on in this epoch."""
        self.epoch = epoch
        self.prefix = b'%b%b,"epoch":"%b","seq":' % (self._head, self._trace, epoch.id.encode())

    def follow(self, trace: str | None) -> None:
        """Say this trace from now on, or none; one that was given for good stays."""
        part = _trace_part(trace)
        if part != self._trace and not self._given:
            self._trace = part
            self.enter(self.epoch)


def _trace_part(trace: str | None) -> bytes:
    return b"" if trace is None else b',"trace":' + orjson.dumps(text_of(trace))
