"""``headrace forget``: a person asked to be forgotten."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from headrace.cli import options
from headrace.cli.faults import CommandError
from headrace.cli.output import print_json, print_table, say
from headrace.cli.progress import Line


@click.group(
    cls=options.Group,
    invoke_without_command=True,
    examples=(
        "headrace forget --tenant acme --user u-1 --dry-run",
        "headrace forget --tenant acme --user u-1 --elsewhere 30d",
        "headrace forget --tenant acme --user - --yes --json < name.txt",
    ),
)
@click.option("--tenant", help="Whose user it is.")
@click.option("--user", help="The user, as agents name them; - reads the name from stdin.")
@click.option("--dry-run", is_flag=True, help="Count what would go, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--wait",
    type=options.Span(),
    default="120s",
    show_default=True,
    help="For the archive's workers to honour the order.",
)
@click.option(
    "--elsewhere",
    type=options.Span(),
    help="How long spools of other machines and backups may hold the person (default: as long as"
    " agent.events).",
)
@options.as_json
@options.state_dir
@click.pass_context
def forget(
    context: click.Context,
    *,
    tenant: str | None,
    user: str | None,
    dry_run: bool,
    yes: bool,
    wait: timedelta,
    elsewhere: timedelta | None,
    as_json: bool,
    state_dir: Path | None,
) -> int:
    """Forget a person: in the archive, the ledgers, spools and logs here, dead letters and keys.

    Leaves a standing order, by which what arrives late is erased and counted, and the evidence that
    it happened. Writes a certificate of what went, what stays and why, and what is pending until
    when, after a search of every store, byte by byte. Interrupted, the same command goes on. Exit
    code 1 where something was found that should be gone.
    """
    if context.invoked_subcommand is not None:
        return 0
    from headrace.cli.forget import run  # noqa: PLC0415 - aiokafka and clickhouse-connect are slow
    from headrace.cli.forget.request import Requests  # noqa: PLC0415 - the same

    if not tenant or not user:
        raise CommandError("say who: --tenant T --user U (see `headrace forget --help`)")
    name = _name(user)
    settings = options.load(state_dir)
    if dry_run:
        _show_dry_run(run.dry_run(settings, tenant, name), as_json)
        return 0
    if not yes and not _sure(tenant):
        raise CommandError("nothing was done")
    span = elsewhere or timedelta(days=settings.retention_days)
    chosen = run.Options(
        patience=wait.total_seconds(),
        elsewhere=(span if elsewhere is None else elsewhere).total_seconds(),
    )
    with Requests(settings).locked(), Line(quiet=as_json) as line:
        request = run.begin(settings, tenant, name)
        made = run.Forgetting(settings, request, chosen, line.say).run()
    return _show(made, as_json)


@forget.command(
    cls=options.Command,
    examples=("headrace forget status", "headrace forget status f-0123456789ab --json"),
)
@click.argument("request", required=False)
@options.as_json
@options.state_dir
def status(request: str | None, as_json: bool, state_dir: Path | None) -> None:
    """List the requests of this machine, or show the certificate of one."""
    from headrace.cli.forget.request import Requests  # noqa: PLC0415 - aiokafka is slow to import

    requests = Requests(options.load(state_dir))
    if request is not None:
        found = requests.read(request)
        if not found.past("done"):
            after = f"{request} was interrupted after: {found.phase or 'nothing'}"
            raise CommandError(f"{after}: run `headrace forget` for the person again")
        _show(found.certificate, as_json)
        return
    rows = [
        (one.id, one.tenant, one.certificate["state"] if one.past("done") else "interrupted")
        for one in requests.all()
    ]
    if as_json:
        for row in rows:
            print_json(dict(zip(("request", "tenant", "state"), row, strict=True)))
    else:
        print_table(("request", "tenant", "state"), rows)
        if not rows:
            say("no requests on this machine")


@forget.command(
    cls=options.Command,
    examples=("headrace forget complete f-0123456789ab --user u-1",),
)
@click.argument("request")
@click.option("--user", required=True, help="The user again: no store has the name any more.")
@options.as_json
@options.state_dir
def complete(request: str, user: str, as_json: bool, state_dir: Path | None) -> int:
    """Search again, Kafka's topics too, and certify. Exit code 1 where it is not complete."""
    from headrace.cli.forget import run  # noqa: PLC0415 - aiokafka and clickhouse-connect are slow
    from headrace.cli.forget.request import Requests  # noqa: PLC0415 - the same

    settings = options.load(state_dir)
    with Requests(settings).locked(), Line(quiet=as_json) as line:
        made = run.complete(settings, request, _name(user), line.say)
    _show(made, as_json)
    return 0 if made["state"] == "complete" else 1


@forget.command(
    cls=options.Command,
    examples=(
        "headrace forget withdraw f-0123456789ab",
        "headrace forget withdraw f-0123456789ab --json",
    ),
)
@click.argument("request")
@options.as_json
@options.state_dir
def withdraw(request: str, as_json: bool, state_dir: Path | None) -> int:
    """Take a standing order back: what the person does from now on is archived again.

    Exit code 1 where there is none.
    """
    import asyncio  # noqa: PLC0415 - beside its only use

    from headrace.cli.forget import honour  # noqa: PLC0415 - aiokafka is slow to import

    there = asyncio.run(honour.withdraw(options.load(state_dir), request))
    if as_json:
        print_json({"request": request, "withdrawn": there > 0})
    else:
        say("withdrawn" if there else f"there is no standing order {request}")
    return 0 if there else 1


def _name(user: str) -> str:
    """Return the name, which need not stand in a shell's history."""
    name = sys.stdin.readline().rstrip("\n") if user == "-" else user
    if not name:
        raise CommandError("the user's name is empty")
    return name


def _sure(tenant: str) -> bool:
    if not sys.stdin.isatty():
        raise CommandError("this cannot be undone: say --yes")
    return click.confirm(f"Forget this user of {tenant}? It cannot be undone", err=True)


def _show_dry_run(counted: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(counted)
        return
    print_table(("would go", "count"), counted["would_remove"].items(), right=("count",))
    for why, count in counted["would_keep"].items():
        say(f"would stay: evidence under {count} data {'key' if count == 1 else 'keys'}: {why}")
    if counted["crowd"]:
        say(counted["crowd"])


def _show(made: dict[str, Any], as_json: bool) -> int:
    from headrace.cli.forget.certificate import FOUND, lines  # noqa: PLC0415 - beside its only use

    if as_json:
        print_json(made)
    else:
        for line in lines(made):
            say(line)
    return 1 if made["state"] == FOUND else 0
