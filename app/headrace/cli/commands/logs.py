"""``headrace logs``: what agents and applications logged."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import options
from headrace.cli.archive import connect
from headrace.cli.logs.choice import Choice
from headrace.cli.logs.read import read
from headrace.cli.logs.show import show
from headrace.cli.output import console, print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.cli.logs.record import Record
    from headrace.events.settings import Settings


@options.command(
    "headrace logs --session s-1",
    "headrace logs --tenant acme --level ERROR --since 1h",
    'headrace logs --grep "connection refused" --follow',
    "headrace logs --trace 0af7651916cd43dd8448eb211c80319c --json | jq .message",
)
@click.option("--session", help="Only this session; unbound: what nobody's was.")
@options.tenant
@click.option("--user", help="Only this user.")
@click.option("--grep", metavar="TEXT", help="Only with TEXT in message or traceback, in any case.")
@click.option("--regex", is_flag=True, help="TEXT is a regular expression (RE2).")
@click.option("--level", help="From this level on: WARNING, 30. One of your own: that level alone.")
@click.option("--logger", help="Only this logger and those under it.")
@click.option("--trace", metavar="ID", help="Only this trace: its id, or a traceparent.")
@options.since()
@options.until()
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    help="How many, the latest.",
)
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@options.as_json
@options.state_dir
def logs(*, limit: int, follow: bool, as_json: bool, state_dir: Path | None, **chosen: Any) -> None:
    """Show log records, the newest last.

    --follow goes on from Kafka where the archive ends, each record once, those of a session in
    their order. --json prints one record a line, whole.
    """
    choice = Choice(**chosen)
    if choice.grep is not None and choice.regex:
        try:
            re.compile(choice.grep)
        except re.error as error:
            raise click.UsageError(f"--grep is no regular expression: {error}") from None
    settings = options.load(state_dir)
    if follow:
        asyncio.run(_follow(settings, choice, limit=limit, as_json=as_json))
        return
    with connect(settings) as archive:
        records = read(archive, choice, limit)
    _print(records, as_json=as_json)
    if not records and not as_json:
        say("no log records: give fewer options, or see docs/logs.md how they get here")


async def _follow(settings: Settings, choice: Choice, *, limit: int, as_json: bool) -> None:
    from headrace.cli.logs import follow  # noqa: PLC0415 - aiokafka is slow to import

    start = await follow.archived_to(settings)
    with connect(settings) as archive:
        records = read(archive, choice, limit)
    _print(records, as_json=as_json)
    seen = {record.identity for record in records}
    async for fetched in follow.follow(settings, start, seen, follow.scrubber(settings)):
        _print(filter(choice.takes, fetched), as_json=as_json)


def _print(records: Iterable[Record], *, as_json: bool) -> None:
    out = console()
    for record in records:
        if as_json:
            print_json(record.as_json())
        else:
            show(out, record)
    sys.stdout.flush()
