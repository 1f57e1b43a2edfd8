"""``headrace export``: take events out of the archive."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from headrace.cli import options
from headrace.cli.archive import connect
from headrace.cli.export.choice import Choice
from headrace.cli.export.run import JSONL, STDOUT, Export, Result, check
from headrace.cli.export.run import export as run
from headrace.cli.faults import CommandError
from headrace.cli.output import print_json, say
from headrace.cli.progress import Line
from headrace.cli.text import safe_json

FORMATS: Final = (JSONL, "parquet", "arrow", "csv")


@options.command(
    "headrace export --tenant acme --from 7d --out acme-last-week",
    "headrace export --tenant acme --from 2026-11-01 --to 2026-12-01 --format parquet"
    " --out november.parquet",
    "headrace export --tenant acme --session s-1 --out - | jq .type",
    "headrace export --tenant acme --from 2026-11-01T10:00Z --zstd --out acme",
)
@click.option("--tenant", required=True, help="Whose events.")
@click.option("--session", help="Only this session.")
@click.option("--user", help="Only events of this user.")
@click.option("--type", "types", multiple=True, help="Only this type of event; may be repeated.")
@options.since("--from")
@options.until("--to")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=JSONL,
    show_default=True,
    help="jsonl: a directory with a file for each session. Else one file.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where; - is stdout.")
@click.option("--single", is_flag=True, help="Of jsonl: one file for all sessions.")
@click.option("--gzip", "compression", flag_value="gzip", help="Compress jsonl or csv with gzip.")
@click.option("--zstd", "compression", flag_value="zstd", help="Compress jsonl or csv with zstd.")
@click.option("--csv-safe", is_flag=True, help="Put ' before cells that spreadsheets would run.")
@click.option("--force", is_flag=True, help="Replace an earlier export.")
@options.as_json
@options.state_dir
def export(
    *,
    tenant: str,
    session: str | None,
    user: str | None,
    types: tuple[str, ...],
    since: float | None,
    until: float | None,
    form: str,
    out: Path,
    single: bool,
    compression: str | None,
    csv_safe: bool,
    force: bool,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Write a tenant's events to files, or to stdout.

    jsonl is what was recorded: a line an event, `data` as it came, in the order of epoch and seq.
    The other formats have the columns of the view `events`. Files appear when they are whole, each
    with its SHA-256 in manifest.json.
    """
    choice = Choice(tenant, session, user, types, since, until)
    asked = Export(choice, out, form, single, compression, csv_safe, force)
    _check(asked)
    with connect(options.load(state_dir)) as archive, Line(quiet=as_json) as line:

        def told(done: int, total: int) -> None:
            unit = "events" if asked.in_files else "bytes"
            line.say(f"exporting: {done:,} {unit}", done=done, total=total or None)

        result = run(archive, asked, told)
    _conclude(asked, result, as_json=as_json)


def _check(asked: Export) -> None:
    choice, form = asked.choice, asked.form
    if choice.since is not None and choice.until is not None and choice.since >= choice.until:
        raise CommandError("--from must be before --to")
    if asked.safe and form != "csv":
        raise CommandError("--csv-safe goes with --format csv only")
    if asked.single and form != JSONL:
        raise CommandError("--single goes with --format jsonl only: the others are one file anyway")
    if asked.compression and form not in (JSONL, "csv"):
        raise CommandError(f"{form} is compressed in itself: leave --{asked.compression} out")
    check(asked)


def _conclude(asked: Export, result: Result, *, as_json: bool) -> None:
    if as_json:
        about = {"out": str(asked.out), "files": result.files, "seconds": round(result.seconds, 3)}
        if asked.out == STDOUT:
            print(safe_json(about | result.as_data()), file=sys.stderr)
        else:
            print_json(about | result.as_data())
        return
    if asked.out == STDOUT:
        return
    say(
        f"{asked.out}: {result.rows:,} events of {result.sessions:,} sessions in {result.files:,}"
        f" {'file' if result.files == 1 else 'files'}, {result.bytes:,} bytes"
    )
    if not result.rows:
        say("nothing is there of that: see `headrace sessions`, or widen --from", "yellow")
    if result.changed:
        say("events came or went meanwhile: the count is the archive's now", "yellow")
