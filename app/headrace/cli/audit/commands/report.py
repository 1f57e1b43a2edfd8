"""``headrace audit report``: what is kept how long."""

from __future__ import annotations

import time
from pathlib import Path

from headrace.cli import options


@options.command("headrace audit report", "headrace audit report --json")
@options.as_json
@options.state_dir
def report(as_json: bool, state_dir: Path | None) -> None:
    """Say of each class how much the vault keeps, how long, what is held, due and gone.

    The records of a class that were sealed together are kept, held and removed together. Only the
    clear part is read, to tell what is held. --json prints one class a line.
    """
    from headrace.cli.audit import report as reporting  # noqa: PLC0415 - cryptography is slow

    found = reporting.report(options.load(state_dir), time.time())
    if as_json:
        reporting.show_json(found)
    else:
        reporting.show(found)
