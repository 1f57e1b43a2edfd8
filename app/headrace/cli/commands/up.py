"""``headrace up``: the local stack in one command."""

from __future__ import annotations

from pathlib import Path

from headrace.cli import options
from headrace.cli.main import need_local_extra
from headrace.console.page import render


@options.command("headrace up", "headrace up --state-dir ./state")
@options.state_dir
def up(state_dir: Path | None) -> int:
    """Run the embedded Kafka and ClickHouse, the shipper and the workers until Ctrl-C.

    Writes stack.json in the state directory once all is ready: there every other command, and
    your agents, find the addresses.
    """
    need_local_extra()
    from headrace.local.stack import run  # noqa: PLC0415 - not needed for help

    return run(options.load(state_dir), page=render)
