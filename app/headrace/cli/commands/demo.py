"""``headrace demo``: real agents end to end."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.main import need_local_extra


@options.command(
    "headrace demo",
    "headrace demo --json",
    "headrace demo --state-dir ./state && headrace up --state-dir ./state",
)
@options.as_json
@click.option("--keep", is_flag=True, help="Keep the archive, and say how to look at it.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the stack keeps its state. Kept (default: a temporary directory).",
)
def demo(as_json: bool, keep: bool, state_dir: Path | None) -> int:
    """Run real agents end to end and show what was recorded.

    Starts a local stack, runs scripted agents of four tenants through the hook, archives their
    events, queries them, replays a session and accounts for every event. Leaves nothing running
    and, unless you ask for it, no file. --json prints the totals as one object. The exit code is 1
    where the accounting does not add up.
    """
    need_local_extra()
    from headrace.cli.demo.run import run  # noqa: PLC0415 - agentao is slow to import

    return run(as_json=as_json, keep=keep, state_dir=state_dir)
