"""``headrace backfill``: archives of events into Kafka."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli import options
from headrace.cli.output import console, print_json, say
from headrace.cli.progress import Line
from headrace.cli.text import safe_text

if TYPE_CHECKING:
    from headrace.cli.backfill.convert import Bad
    from headrace.cli.backfill.source import Tally


@options.command(
    "headrace backfill /data/tenant-acme/events.jsonl",
    "headrace backfill archive/ --tenant acme --dry-run",
    "zcat old.gz | headrace backfill - --tenant acme",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--tenant", help="Tenant of lines that name none.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, send nothing.")
@click.option("--end", is_flag=True, help="The files will not grow: end their epochs.")
@click.option(
    "--resume",
    "marks",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory that keeps how far files were sent (default: in the state directory).",
)
@click.option(
    "--max-bad",
    "most_bad",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Stop after so many lines that are no events.",
)
@options.as_json
@options.state_dir
def backfill(  # noqa: PLR0917 - click passes them by name
    files: tuple[str, ...],
    tenant: str | None,
    dry_run: bool,
    end: bool,
    marks: Path | None,
    most_bad: int,
    as_json: bool,
    state_dir: Path | None,
) -> int:
    """Send archives of events to Kafka: FILEs, directories, or - for standard input.

    Takes the seed's JSONL, our own exports and agentao's .agentao/replays, plain, gzip or zstd.
    Running it again adds nothing: an event's identity is made of the file's content. A line that
    is no event becomes a dead letter. Exit code 1: there were such lines, or a damaged file.
    """
    from headrace.cli.backfill.inputs import find  # noqa: PLC0415 - for a fast --help
    from headrace.cli.backfill.run import Backfill  # noqa: PLC0415 - aiokafka is slow to import

    settings = options.load(state_dir)
    inputs = find(files)
    total = sum(one.size for one in inputs) or None
    began = time.monotonic()
    with Line(quiet=as_json) as line:

        def show(tally: Tally, trouble: str) -> None:
            done = f"{tally.lines:,} read" if dry_run else f"{tally.sent:,} sent"
            told = trouble or f"{done}, {tally.bad:,} bad"
            line.say(safe_text(told), done=tally.bytes, total=total)

        def tell_bad(name: str, bad: Bad) -> None:
            text = f"{name}:{bad.number}: {bad.reason}"
            console(stderr=True).print(safe_text(text), soft_wrap=True)

        work = Backfill(
            settings,
            inputs,
            tenant,
            marks or settings.state_dir / "backfill",
            end,
            most_bad,
            show,
            tell_bad,
        )
        # asyncio's own answer to Ctrl-C waits for the loop, which may be reading an idle pipe.
        signal.signal(signal.SIGINT, _interrupt)
        tally = work.look() if dry_run else asyncio.run(work.run())
    if as_json:
        print_json(asdict(tally) | {"seconds": round(time.monotonic() - began, 3)})
    else:
        _say(tally, dry_run=dry_run)
    return 0 if tally.is_clean else 1


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(tally: Tally, *, dry_run: bool) -> None:
    events = tally.lines - tally.passed_over - tally.bad - tally.unfinished
    if dry_run:
        files = "file" if tally.files == 1 else "files"
        say(f"{events:,} events in {tally.files:,} {files}; nothing was sent")
    else:
        say(f"{tally.sent:,} events sent, {tally.before:,} were sent before")
    if tally.bad:
        where = "would be dead letters" if dry_run else "see `headrace dlq list`"
        lines = "line is no event" if tally.bad == 1 else "lines are no events"
        say(f"{tally.bad:,} {lines}: {where}")
        if not events:
            say("a log of plain text, as agentao.log, is shipped by `headrace tail-file`")
    if tally.unfinished:
        say(f"{tally.unfinished:,} last lines are unfinished: run it again when they are written")
    for fault in tally.damaged:
        say(f"{fault}: what stands before that was read")
