"""``headrace silence``: alerts that nobody is to be told of for a while."""

from __future__ import annotations

import getpass
import time
from datetime import timedelta
from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.faults import CommandError
from headrace.cli.output import print_json, say


@click.group()
def silence() -> None:
    """Mute alerts for a while, list what is muted, end it early."""


@silence.command(
    cls=options.Command,
    examples=(
        "headrace silence add 'alertname=ToolFailureRate,tenant=\"acme\"' --for 2h",
        "headrace silence add 'tenant=~\"acme|umbrella\"' --starts-in 1h --for 30m --by ann",
    ),
)
@click.argument("matchers")
@click.option("--for", "length", type=options.Span(), required=True, help="As 30s, 15m, 2h, 7d.")
@click.option("--starts-in", type=options.Span(), default="0s", help="Begin later, as 1h.")
@click.option("--comment", default="", help="Why.")
@click.option("--by", help="Who (default: your login).")
@options.as_json
@options.state_dir
def add(
    *,
    matchers: str,
    length: timedelta,
    starts_in: timedelta,
    comment: str,
    by: str | None,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Tell nobody of the alerts whose labels match.

    MATCHERS are as Alertmanager's, with =, !=, =~ and !~; all must match. Prints the silence's id
    and which of the alerts that fire now it mutes. Alerts go on firing; who was told of one before
    is told of its end when the silence is over.
    """
    from headrace.cli.alerts import silences  # noqa: PLC0415 - aiokafka is slow to import

    now = time.time()
    starts_at = now + starts_in.total_seconds()
    made = silences.make(
        matchers,
        starts_at=starts_at,
        ends_at=starts_at + length.total_seconds(),
        created_by=_login() if by is None else by,
        comment=comment,
        now=now,
    )
    mutes = silences.add(options.load(state_dir), made)
    if as_json:
        print_json({**silences.as_json(made, now), "mutes": [one.id for one in mutes]})
    else:
        silences.show_added(made, mutes)


@silence.command(
    "list",
    cls=options.Command,
    examples=("headrace silence list", "headrace silence list --all --json"),
)
@click.option("--all", "everything", is_flag=True, help="Those that ended in the last days, too.")
@options.as_json
@options.state_dir
def list_command(everything: bool, as_json: bool, state_dir: Path | None) -> None:
    """List the silences that hold or are to come. --json prints one a line."""
    from headrace.cli.alerts import silences  # noqa: PLC0415 - aiokafka is slow to import

    now = time.time()
    found = [
        one for one in silences.read(options.load(state_dir)) if everything or one.ends_at > now
    ]
    if as_json:
        for one in found:
            print_json(silences.as_json(one, now))
        return
    silences.show(found, now)


@silence.command(
    cls=options.Command,
    examples=("headrace silence expire 3f0c9a", "headrace silence expire 3f0c9a 77b1"),
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@options.as_json
@options.state_dir
def expire(ids: tuple[str, ...], as_json: bool, state_dir: Path | None) -> None:
    """End silences now. An ID may be cut short."""
    from headrace.cli.alerts import silences  # noqa: PLC0415 - aiokafka is slow to import

    ended = silences.expire(options.load(state_dir), ids, time.time())
    if as_json:
        print_json({"expired": ended})
    else:
        say(f"ended {', '.join(ended)}")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise CommandError("your login is not known here: say who you are with --by") from None
