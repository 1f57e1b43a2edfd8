"""``headrace worker``: run stream processors in this process."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options


@options.command("headrace worker archive", "headrace worker archive --metrics-port 9464")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    default=0,
    show_default="any free one",
    help="Where /metrics and /healthz are served.",
)
@options.state_dir
def worker(names: tuple[str, ...], metrics_port: int, state_dir: Path | None) -> int:
    """Run the stream processors NAME... until SIGINT or SIGTERM.

    Prints one line of JSON with the port of /metrics when it serves.
    """
    from headrace.streams.worker import run  # noqa: PLC0415 - faust is slow to import

    return run(names, settings=options.load(state_dir), metrics_port=metrics_port)
