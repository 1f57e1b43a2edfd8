"""``headrace search``: find words in what agents said, called and were told."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from headrace.cli import options
from headrace.cli.output import print_json, say

FIELDS: Final = ("messages", "arguments", "results", "errors")


@options.command(
    "headrace search refund",
    "headrace search 'o-1041 \"could not be sent\"' --tenant acme --in results --in errors",
    "headrace search 'bad gateway' --phrase --since 2d --json | jq -r .replay",
)
@click.argument("text")
@click.option("--phrase", is_flag=True, help="The words follow each other, as if in quotes.")
@options.tenant
@click.option("--session", help="Only this session.")
@click.option("--user", help="Only this user's.")
@click.option("--type", "types", multiple=True, help="Only events of this type. May be repeated.")
@click.option(
    "--in", "fields", multiple=True, type=click.Choice(FIELDS), help="Only there. May be repeated."
)
@options.since()
@options.until()
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many hits."
)
@options.as_json
@options.state_dir
def search(
    *,
    text: str,
    phrase: bool,
    tenant: str | None,
    session: str | None,
    user: str | None,
    types: tuple[str, ...],
    fields: tuple[str, ...],
    since: float | None,
    until: float | None,
    limit: int,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Find TEXT in messages, tool arguments and results, and errors; the newest hits first.

    All its words must occur in one text, in any order and case, as whole words; words in "quotes"
    follow each other. An answer that is streamed is found once it is whole: at its turn's end, or
    with the model's next call. --json prints one hit a line.
    """
    from headrace.cli.archive import connect  # noqa: PLC0415 - clickhouse-connect is slow
    from headrace.cli.search import find, show  # noqa: PLC0415 - the same
    from headrace.cli.search.words import parse  # noqa: PLC0415 - the same

    asked = parse(text, phrase=phrase)
    scope = find.Scope(tenant, session, user, types, fields, since, until)
    with connect(options.load(state_dir)) as archive:
        found = find.search(archive, asked, scope, limit)
    hits = found.hits
    if as_json:
        for hit in hits:
            print_json(show.as_json(hit))
    else:
        show.show(hits)
        if not hits:
            say("nothing found: are all words spelt whole? `headrace search --help` says what is")
        elif len(hits) == limit:
            say(f"the newest {limit:,} hits: --limit or a narrower search shows others")
    if not found.everything:
        click.echo(
            "headrace: too many events have those words, only the newest were looked through: add a"
            " rarer word, --tenant, --session or --until",
            err=True,
        )
