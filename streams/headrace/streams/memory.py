"""How a worker's process treats its memory: batches come and go, and their room is kept."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
KEPT_BYTES: Final = 128 * 1024 * 1024
"""Free memory at the end of the heap that is kept for the next batch."""
FROM_HEAP_BYTES: Final = 32 * 1024 * 1024
"""Blocks up to this size come from the heap: glibc takes no more."""


def keep() -> None:
    """Let the collector walk seldom, and the allocator give nothing back that is wanted again.

    Fetched records are many, small and free of cycles: the collector's walks over them are a tenth
    of what an event costs. A page that was given back to the system is cleared before it is had
    again, which is another tenth.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    try:
        mallopt = ctypes.CDLL(None).mallopt  # glibc's
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, FROM_HEAP_BYTES)
    mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
