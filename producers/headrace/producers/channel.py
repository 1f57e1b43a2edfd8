"""One topic's way out of a process: its numbers, where its lines wait, and the account of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headrace.producers.accounts import Accounts
from headrace.producers.hosts import Host
from headrace.producers.journal import Journal
from headrace.producers.memory import MemoryQueue
from headrace.producers.report import Report
from headrace.producers.store import Store

EXIT_PATIENCE: Final = 2.0
"""Seconds that the end of the interpreter waits for what only memory holds."""


class Channel:
    """What a producer has for each topic. Safe from any thread; never raises."""

    def __init__(
        self, journal: Journal, store: Store, memory: MemoryQueue, memory_host: Host
    ) -> None:
        self.journal = journal
        self.store = store
        self.memory = memory
        self.memory_host = memory_host
        self.accounts = Accounts(journal, store, memory)
        self._final: Report | None = None

    def report(self) -> Report:
        """Say what became of what was given so far. Reads a small file."""
        return self._final or self.accounts.report()

    def needs_lanes_shipped(self) -> bool:
        return self.store.spool is not None or self.accounts.left_behind()

    def wait_for_memory(self, drain: Callable[[float], bool]) -> None:
        """Give what only memory holds a last moment to be shipped: the interpreter ends."""
        if self.memory.written > self.memory.delivered:
            drain(EXIT_PATIENCE)

    def finish(self) -> Report:
        """Take the last account, with nothing more on its way, and let go of the spool."""
        self.accounts.give_up_memory()
        self._final = self.accounts.report()
        self.journal.release()
        return self._final

    def after_fork(self) -> None:
        """In the child: nothing here is its own."""
        self._final = None
        self.journal.after_fork()
        self.accounts = Accounts(self.journal, self.store, self.memory)
        self.memory_host.forget()
