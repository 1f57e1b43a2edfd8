"""Who an event is: the key that removes duplicates everywhere downstream."""

from __future__ import annotations

import os
from typing import NamedTuple

UNBOUND_SESSION = "unbound"
"""The session of events that arrived without one. Never another session's."""


class Identity(NamedTuple):
    """``(tenant, session, epoch, seq)``: the same event has the same identity at any offset."""

    tenant: str
    session: str
    epoch: str
    """16 lower-case hexadecimal digits, drawn once per (process, producer, session)."""
    seq: int
    """1 for the first event of the epoch, then up by one."""


def new_epoch() -> str:
    """Draw a random 64-bit epoch. Safe from any thread and after fork (reads the kernel)."""
    return os.urandom(8).hex()
