"""``headrace audit roles``: who may read evidence."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.audit import reader
from headrace.cli.faults import CommandError
from headrace.cli.output import say
from headrace.events.settings import Settings


@options.command(
    "headrace audit roles --everyone",
    "headrace audit roles --tenant acme --tenant globex",
    "headrace audit roles --user acme_auditor --tenant acme --sql",
)
@click.option(
    "--tenant",
    "tenants",
    multiple=True,
    help="Only this one's evidence; may be given several times.",
)
@click.option("--everyone", is_flag=True, help="The evidence of every tenant.")
@click.option("--user", help="Which user [default: that of HEADRACE_AUDIT_CLICKHOUSE_URL].")
@click.option("--sql", is_flag=True, help="Print the statements, run none.")
@options.state_dir
def roles(
    tenants: tuple[str, ...], everyone: bool, user: str | None, sql: bool, state_dir: Path | None
) -> None:
    """Let a user of ClickHouse read evidence, and say whose.

    Makes the user where it is not there yet, with the password of HEADRACE_AUDIT_CLICKHOUSE_URL;
    runs as the user of HEADRACE_CLICKHOUSE_URL, which needs the right to manage access. Run again,
    it says anew whose. The local stack has its one audit_reader, with a password in its
    credentials.json: there --tenant holds from the next `headrace up` on.
    """
    from headrace.cli.audit import roles as made  # noqa: PLC0415 - clickhouse-connect is slow

    if everyone == bool(tenants):
        raise CommandError("say whose evidence: --tenant for each, or --everyone")
    settings = options.load(state_dir)
    asked = made.asked(settings, user, tenants)
    if sql:
        for statement in made.statements(settings, asked):
            click.echo(f"{statement};")
        return
    if reader.is_local(settings):
        _local(settings, asked.user, tenants)
    else:
        made.apply(settings, asked)
        say(f"{asked.user} reads {_whose(tenants)}")
        say("who else holds SELECT on the whole database reads evidence, too: revoke it from them")


def _local(settings: Settings, user: str, tenants: tuple[str, ...]) -> None:
    from headrace.local.state_dir import StateDir  # noqa: PLC0415 - the local servers' own

    if user != reader.USER:
        raise CommandError(f"the local stack knows no user but {reader.USER} for evidence")
    news = StateDir(settings.state_dir).restrict_audit(tenants or None)
    say(f"{user} reads {_whose(tenants)}" + (" from the next `headrace up` on" if news else ""))


def _whose(tenants: tuple[str, ...]) -> str:
    return f"the evidence of {', '.join(tenants)}" if tenants else "everyone's evidence"
