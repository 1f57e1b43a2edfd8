"""What is expected to go wrong, as one line that says what to do."""

from __future__ import annotations

import asyncio
import ssl

from headrace.cli.text import one_line
from headrace.events.errors import HeadraceError


class CommandError(HeadraceError):
    """A command cannot do what was asked. The message says what to do instead."""


def describe(error: BaseException) -> str | None:
    """One line for an expected fault, None for a bug of ours (which deserves its traceback)."""
    if isinstance(error, HeadraceError):
        return one_line(str(error))
    root = type(error).__module__.partition(".")[0]
    if root in {"aiokafka", "kafka"}:
        return one_line(f"Kafka: {error or type(error).__name__}: check HEADRACE_KAFKA")
    if root == "clickhouse_connect":
        return one_line(f"ClickHouse: {error}")
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return "no answer in time: see `headrace doctor`"
    if isinstance(error, ssl.SSLError):
        return one_line(f"TLS: {error}: check the certificate settings")
    if isinstance(error, OSError):
        return one_line(str(error))
    return None
