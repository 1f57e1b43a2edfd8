"""``headrace scrub``: what a file of scrubbing rules comes to."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.output import print_json, say
from headrace.cli.progress import Line
from headrace.cli.text import safe_text
from headrace.events.errors import SettingsError

file_argument = click.argument(
    "file", required=False, type=click.Path(dir_okay=False, path_type=Path)
)


@click.group()
def scrub() -> None:
    """Check rules that rewrite secrets before the archive, and try them."""


@scrub.command(
    cls=options.Command,
    examples=("headrace scrub check scrub.toml", "headrace scrub check"),
)
@file_argument
@options.as_json
@options.state_dir
def check(file: Path | None, as_json: bool, state_dir: Path | None) -> int:
    """Check a file of rules: without FILE, that of HEADRACE_SCRUB.

    The key of the pseudonyms must be where the file says. Every mistake is a line on stderr, and
    the exit code 2. --json prints the rules, one a line.
    """
    from headrace.cli.scrub import files, show  # noqa: PLC0415 - google-re2 is an extra

    try:
        found = files.read(options.load(state_dir), file)
    except SettingsError as error:
        for line in str(error).splitlines():
            print(safe_text(line), file=sys.stderr)
        return 2
    if as_json:
        for rule in found.rules:
            print_json({"rule": rule.name, "action": rule.action})
    else:
        show.show_rules(found)
        say(f"{len(found.rules):,} rules")
    return 0


@scrub.command(
    cls=options.Command,
    examples=(
        "headrace scrub test scrub.toml",
        "headrace scrub test scrub.toml --tenant acme --since 2h --json",
        "headrace scrub test scrub.toml --file events.jsonl",
    ),
)
@file_argument
@click.option(
    "--file",
    "events",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Try it on the events of this file, one a line, in place of the archive's.",
)
@options.since(default="1d")
@options.tenant
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="How many archived events, the latest.",
)
@options.as_json
@options.state_dir
def test(
    *,
    file: Path | None,
    events: Path | None,
    since: float,
    tenant: str | None,
    limit: int,
    as_json: bool,
    state_dir: Path | None,
) -> int:
    """Say what the rules of FILE would have rewritten. Writes nothing.

    Without FILE, those of HEADRACE_SCRUB. Of what is found at most the last four characters are
    shown. Exit code 1 where the `hints` of a rule let something pass that its pattern finds.
    --json prints a line for each rule, and one for all.
    """
    from headrace.cli.archive import connect  # noqa: PLC0415 - clickhouse-connect is slow
    from headrace.cli.scrub import (  # noqa: PLC0415 - google-re2 is an extra
        files,
        show,
        sources,
        trial,
    )

    settings = options.load(state_dir)
    scrubber = files.load(settings, file)
    with Line(quiet=as_json) as line:

        def tell(count: int) -> None:
            line.say(f"{count:,} events")

        if events is not None:
            tried = trial.run(scrubber, sources.of_file(events), tell)
        else:
            with connect(settings) as archive:
                read = sources.of_archive(archive, since=since, tenant=tenant, limit=limit)
                tried = trial.run(scrubber, read, tell)
    if as_json:
        show.print_lines(scrubber, tried)
    else:
        show.show(scrubber, tried)
    return 1 if tried.missed else 0
