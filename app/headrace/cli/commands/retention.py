"""``headrace retention``: how long rows are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from headrace.cli import options
from headrace.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from headrace.cli.retention.look import Held
    from headrace.events.settings import Settings
    from headrace.streams.retention import Change

_HEADINGS: Final = (
    *("table", "tenant", "type", "kept", "rows", "bytes", "oldest", "next goes", "due"),
)
_NUMBERS: Final = ("rows", "bytes", "due")


@click.group(
    cls=options.Group, invoke_without_command=True, examples=("headrace retention --json",)
)
@options.as_json
@options.state_dir
@click.pass_context
def retention(context: click.Context, as_json: bool, state_dir: Path | None) -> int:
    """Show how long rows are kept, by table, tenant and type of event, and what there is.

    HEADRACE_RETENTION names the file; without one events are kept for 7 days. Rows count from
    when they were archived, and go with the server's merges. Exit code 1 where the server has not
    been told what the file says: `headrace retention apply`.
    """
    if context.invoked_subcommand is not None:
        return 0
    from headrace.cli.archive import connect  # noqa: PLC0415 - clickhouse-connect is slow
    from headrace.cli.retention.look import look  # noqa: PLC0415 - the same

    settings = options.load(state_dir)
    changes = _compare(settings)
    with connect(settings) as archive:
        found = [held for change in changes for held in look(archive, change)]
    if as_json:
        print_json({"rules": [_held_json(one) for one in found], "differs": _differing(changes)})
    else:
        _show(found, changes)
    return 1 if any(change.differs for change in changes) else 0


@retention.command(
    cls=options.Command, examples=("headrace retention apply --dry-run", "headrace retention apply")
)
@click.option("--dry-run", is_flag=True, help="Say what would be changed, and change nothing.")
@options.as_json
@options.state_dir
def apply(dry_run: bool, as_json: bool, state_dir: Path | None) -> None:
    """Tell the server what the file says, where that differs. Safe to run twice."""
    from headrace.cli.forget.run import with_writer  # noqa: PLC0415 - aiokafka is slow
    from headrace.streams import retention as applying  # noqa: PLC0415 - clickhouse-connect is

    settings = options.load(state_dir)
    if dry_run:
        changes = [change for change in _compare(settings) if change.differs]
    else:
        clickhouse = with_writer(settings).need_clickhouse()
        changes = applying.apply(clickhouse, applying.load(settings.retention))
    if as_json:
        print_json({"applied": not dry_run, "differs": _differing(changes)})
        return
    for change in changes:
        say(f"{'would change' if dry_run else 'changed'} {change.kept.table}:")
        say(f"  from {change.before or 'kept for good'}")
        say(f"  to   {change.after or 'kept for good'}")
    if not changes:
        say("nothing to apply: the server has been told")


def _compare(settings: Settings) -> list[Change]:
    from headrace.streams import retention as applying  # noqa: PLC0415 - clickhouse-connect is slow

    return applying.compare(settings.need_clickhouse(), applying.load(settings.retention))


def _differing(changes: Sequence[Change]) -> dict[str, Any]:
    return {
        change.kept.table: {"server": change.before or None, "file": change.after or None}
        for change in changes
        if change.differs
    }


def _show(found: Sequence[Held], changes: Sequence[Change]) -> None:
    print_table(_HEADINGS, map(_cells, found), right=_NUMBERS)
    for change in changes:
        if change.differs:
            server = change.before or "kept for good"
            say(f"{change.kept.table}: the server does otherwise: {server}")
    if any(change.differs for change in changes):
        say("`headrace retention apply` tells the server what the file says", "yellow")


def _cells(one: Held) -> list[object]:
    return [
        one.table,
        one.rule.tenant or "*",
        one.rule.type or "*",
        _span(one.rule.seconds),
        one.rows,
        one.bytes,
        one.oldest and f"{one.oldest:%Y-%m-%d %H:%M}",
        one.next_goes and f"{one.next_goes:%Y-%m-%d %H:%M}",
        one.due,
    ]


def _held_json(one: Held) -> dict[str, Any]:
    return {
        "kind": one.name,
        "table": one.table,
        "tenant": one.rule.tenant,
        "type": one.rule.type,
        "seconds": one.rule.seconds or None,
        "rows": one.rows,
        "bytes": one.bytes,
        "oldest": one.oldest and one.oldest.isoformat(),
        "next_goes": one.next_goes and one.next_goes.isoformat(),
        "due": one.due,
    }


def _span(seconds: int) -> str:
    from headrace.streams.alerts.durations import written  # noqa: PLC0415 - a worker's

    return written(seconds) if seconds else "for good"
