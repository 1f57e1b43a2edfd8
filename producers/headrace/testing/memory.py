"""The producer without Kafka."""

from __future__ import annotations

from typing import Any

from headrace.events.envelope import Envelope, decode
from headrace.events.types import LOG
from headrace.producers import EventProducer
from headrace.producers.channel import Channel
from headrace.producers.hosts import Host


class InMemoryProducer(EventProducer):
    """An :class:`EventProducer` whose events stay in this process, for tests to look at.

    Numbers, encodes, cuts and drops just as the real one does, with the same arguments; there is no
    Kafka, no spool and no thread. Safe from any thread.
    """

    def __init__(self, *, tenant: str = "test", **options: Any) -> None:
        self._kept: list[bytes] = []
        self._kept_logs: list[bytes] = []
        super().__init__("nowhere:0", tenant=tenant, durability="memory", **options)

    def lines(self) -> list[bytes]:
        """Return every event so far as the bytes that Kafka would have got, in order."""
        return list(_taken(self._events, self._kept))

    def logs(self, session: str | None = None) -> list[Envelope]:
        """Return every log record so far, or those of one session, in order."""
        records = map(decode, _taken(self.log_channel(), self._kept_logs))
        return [
            record for record in records if record.type == LOG and session in (None, record.session)
        ]

    def events(self, *types: str, session: str | None = None) -> list[Envelope]:
        """Return every event so far, or those of some types or of one session, in order."""
        return [
            event
            for event in map(decode, self.lines())
            if (not types or event.type in types) and session in (None, event.session)
        ]

    def clear(self) -> None:
        """Forget events and log records so far. Numbers go on."""
        self.lines()
        self._kept.clear()
        _taken(self.log_channel(), self._kept_logs).clear()

    def drain(self, timeout: float) -> bool:
        """There is nothing to wait for."""
        self._journal.check()
        self.lines()
        self.logs()
        return True

    def _keep_running(self, host: Host) -> None:
        """No shipper is ever started."""


def _taken(channel: Channel, kept: list[bytes]) -> list[bytes]:
    """Move what waits in a channel's memory to what is kept, and return that."""
    while taken := channel.memory.take(1 << 20):
        kept += [line[:-1] for line in taken]
        channel.memory.free(taken)
    return kept
