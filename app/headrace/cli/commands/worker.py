"""``headrace worker``: run stream processors in this process."""

from __future__ import annotations

import os
from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.faults import CommandError


@options.command("headrace worker archive", "headrace worker archive --metrics-port 9464")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--host", help="Address of /metrics and /healthz (default: 127.0.0.1).")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    help="Port of /metrics and /healthz (default: any free one).",
)
@click.option(
    "--session-timeout",
    type=float,
    help="Seconds until a killed worker's partitions move on (low only for a local broker).",
)
@click.option(
    "--max-dead-ratio",
    type=click.FloatRange(0, 1),
    help="Stop when a larger part of the last records was refused (1: never).",
)
@click.option(
    "--max-dead-consecutive",
    type=click.IntRange(min=1),
    help="Stop when more records in a row were refused.",
)
@click.option(
    "--stall-seconds",
    type=float,
    help="Exit with 75 when there is lag, the sink works and nothing moves for so long.",
)
@click.option(
    "--seal-leaves",
    type=click.IntRange(1, 65_536),
    help="Seal evidence at the latest when so many entries wait (default: 4096).",
)
@click.option(
    "--seal-seconds",
    type=click.FloatRange(0, min_open=True),
    help="Or when the first of them has waited for so long (default: 10).",
)
@click.option(
    "--silence-seconds",
    type=click.FloatRange(0, min_open=True),
    help="traces: close what is under way in a session silent for so long (default: 3600).",
)
@options.state_dir
def worker(names: tuple[str, ...], state_dir: Path | None, **given: object) -> None:
    """Run the stream processors NAME... until SIGINT or SIGTERM.

    There are archive, metrics, alerts, notify, audit, seal, traces and otlp.

    Prints one line of JSON with the port of /metrics when it serves. Exit codes: 0 after a signal,
    1 where a processor gave up, 2 where the settings are wrong, 75 where the watchdog found a
    consumer that no longer moves: start it again.
    """
    from headrace.streams.processors import FACTORIES  # noqa: PLC0415 - faust is slow to import
    from headrace.streams.worker import main  # noqa: PLC0415 - the same

    for name in names:
        if name not in FACTORIES:
            raise CommandError(f"no processor {name}: there is {', '.join(sorted(FACTORIES))}")
    if state_dir is not None:
        os.environ["HEADRACE_STATE_DIR"] = str(state_dir)
    argv = list(names)
    for option, value in given.items():
        if value is not None:
            argv += [f"--{option.replace('_', '-')}", str(value)]
    main(argv)
