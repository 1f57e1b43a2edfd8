"""Names to addresses, off the loop."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Protocol

from headrace.sinks.notify.addresses import Address


class Resolver(Protocol):
    """Finds the addresses of a host."""

    async def addresses(self, host: str) -> list[Address]:
        """Return the host's addresses, the best first. Raises :class:`OSError`."""
        ...

    def close(self) -> None:
        """Let go of what a lookup holds; does not wait for one that hangs."""
        ...


class SystemResolver:
    """The system's ``getaddrinfo``, in a thread of its own.

    Its own, since a lookup cannot be cancelled: those that hang would take the loop's common
    threads from every other receiver.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="headrace-resolve")

    async def addresses(self, host: str) -> list[Address]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, look_up, host)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def look_up(host: str) -> list[Address]:
    """Return the host's addresses, each once. Blocks. Raises :class:`OSError`."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label too long for the name service
        raise OSError("not a host's name") from None
    return list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))
