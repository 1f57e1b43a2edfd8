"""Loopback ports for the stack's servers."""

from __future__ import annotations

import random
import socket
from typing import Final

_RANGE: Final = range(20_000, 32_768)
"""Below the ports that Linux (32768 up) and others (49152 up) give to outgoing connections. A
client that keeps trying to reach a dead server on one of *those* is in the end connected to
itself, and the server's port is taken for good."""


def free_port(preferred: int = 0) -> int:
    """Return ``preferred`` if it is free, else another free port.

    Free now: somebody may take it before a server binds it, so who starts one tries again.
    """
    if preferred and _is_free(preferred):
        return preferred
    draw = random.SystemRandom()
    for _ in range(100):
        port = draw.choice(_RANGE)
        if _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        chosen: int = probe.getsockname()[1]
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections linger in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
