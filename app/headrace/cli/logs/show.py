"""Log records on a terminal: nothing that was logged can drive it."""

from __future__ import annotations

import logging
import time
from typing import Final

from rich.console import Console
from rich.text import Text

from headrace.cli.logs.record import Record
from headrace.cli.text import safe_text

MOST: Final = 20_000
"""Characters of a message or a traceback that are shown. --json shows all."""
INDENT: Final = "    "
_STYLES: Final = (
    (logging.CRITICAL, "bold red"),
    (logging.ERROR, "red"),
    (logging.WARNING, "yellow"),
    (logging.INFO, "green"),
    (0, "dim"),
)


def show(out: Console, record: Record) -> None:
    """Print one record."""
    out.print(text_of(record), soft_wrap=True)


def text_of(record: Record) -> Text:
    """Return a record on one line, its time in UTC, and what goes on under it, indented."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.ts)) + f"{record.ts % 1:.3f}"[1:]
    style = next(style for least, style in _STYLES if record.level_no >= least or not least)
    where = f"{safe_text(record.tenant)} {safe_text(record.session)}"
    first, *more = _lines(record.text("message"))
    text = Text.assemble(
        (at, "dim"), " ", (f"{safe_text(record.level):<8}", style), " ", (where, "cyan"), " ",
        (f"{safe_text(record.text('logger'))}:", "dim"), " ", first,
    )  # fmt: skip
    for line in more:
        text.append(f"\n{INDENT}{line}")
    for name in ("exception", "stack"):
        if block := record.text(name):
            for line in _lines(block):
                text.append(f"\n{INDENT}{line}", style="dim")
    return text


def _lines(text: str) -> list[str]:
    return safe_text(text, newlines=True, limit=MOST).split("\n")
