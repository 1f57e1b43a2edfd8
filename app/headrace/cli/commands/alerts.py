"""``headrace alerts``: what fires, what did, what would have, and who was told."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.alerts import rule_commands
from headrace.cli.output import print_json, say

rule_option = click.option("--rule", help="Only this rule.")


@click.group()
def alerts() -> None:
    """Look at alerts, try rules on the past, and deliver again."""


alerts.add_command(rule_commands.test)
alerts.add_command(rule_commands.check)
alerts.add_command(rule_commands.prometheus_rules)


@alerts.command(
    "list",
    cls=options.Command,
    examples=("headrace alerts list", "headrace alerts list --all --tenant acme --json"),
)
@click.option(
    "--state",
    type=click.Choice(["firing", "pending", "resolved"]),
    help="Only those in this state.",
)
@options.tenant
@rule_option
@click.option("--all", "everything", is_flag=True, help="Those that ended, too.")
@options.as_json
@options.state_dir
def list_command(
    *,
    state: str | None,
    tenant: str | None,
    rule: str | None,
    everything: bool,
    as_json: bool,
    state_dir: Path | None,
) -> int:
    """List the alerts that are firing or pending. --json prints one a line.

    Exit code 1 where one of them fires and no silence or other alert mutes it.
    """
    from headrace.cli.alerts import current, rules, show  # noqa: PLC0415 - aiokafka is slow

    settings = options.load(state_dir)
    known = rules.load(settings)
    ended = ("resolved", "inactive") if everything else ()
    states = {*current.OPEN, *ended} if state is None else {state}
    found = [
        one
        for one in current.read(settings, known)
        if one.alert.state in states
        and tenant in {None, one.alert.tenant}
        and rule in {None, one.alert.rule}
    ]
    if as_json:
        for one in found:
            print_json(show.current_json(one))
    else:
        show.show_current(found, known)
        if not found:
            say("no alerts")
    return 1 if any(one.pages for one in found) else 0


@alerts.command(
    cls=options.Command,
    examples=(
        "headrace alerts history --since 2h",
        "headrace alerts history --tenant acme --rule ToolFailureRate --json",
    ),
)
@options.since(default="1d")
@options.tenant
@rule_option
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many."
)
@options.as_json
@options.state_dir
def history(
    *,
    since: float,
    tenant: str | None,
    rule: str | None,
    limit: int,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """List what became of alerts, the latest first. --json prints one a line."""
    from headrace.cli.alerts import rules, show  # noqa: PLC0415 - clickhouse-connect is slow
    from headrace.cli.alerts.history import Asked, read  # noqa: PLC0415 - the same
    from headrace.cli.archive import connect  # noqa: PLC0415 - the same

    settings = options.load(state_dir)
    with connect(settings) as archive:
        found = read(archive, Asked(int(since * 1000), tenant, rule, limit))
    if as_json:
        for one in found:
            print_json(show.as_json(one))
        return
    show.show_history(found, rules.load(settings))
    if not found:
        say("nothing: widen --since, or see `headrace alerts list --all`")


@alerts.command(
    cls=options.Command,
    examples=(
        "headrace alerts deliveries --status parked",
        "headrace alerts deliveries --receiver ops --json",
    ),
)
@click.option("--receiver", help="Only those to this receiver.")
@click.option(
    "--status",
    type=click.Choice(["queued", "retrying", "delivered", "parked", "asked"]),
    help="Only those that stand so.",
)
@options.as_json
@options.state_dir
def deliveries(
    receiver: str | None, status: str | None, as_json: bool, state_dir: Path | None
) -> None:
    """List what was told to receivers, and what could not be, oldest first.

    --json prints one a line.
    """
    from headrace.cli.alerts import deliveries as shown  # noqa: PLC0415 - aiokafka is slow

    shown.show(
        [
            one
            for one in shown.read(options.load(state_dir))
            if receiver in {None, one.notification.receiver} and status in {None, one.status}
        ],
        as_json=as_json,
    )


@alerts.command(
    cls=options.Command,
    examples=(
        "headrace alerts redeliver msg_0f3a",
        "headrace alerts redeliver --all-parked",
    ),
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all-parked", "everything", is_flag=True, help="Every delivery that is parked.")
@options.as_json
@options.state_dir
def redeliver(
    ids: tuple[str, ...], everything: bool, as_json: bool, state_dir: Path | None
) -> None:
    """Ask for parked deliveries to be made again. An ID may be cut short.

    Mend first what made the receiver refuse them. The worker of notify takes it up, or the next
    one that runs; `headrace alerts deliveries` shows what became of it.
    """
    from headrace.cli.alerts import deliveries as shown  # noqa: PLC0415 - aiokafka is slow

    if bool(ids) == everything:
        raise click.UsageError("name the deliveries, or say --all-parked")
    asked = shown.ask_again(options.load(state_dir), None if everything else ids)
    if as_json:
        print_json({"asked": asked})
    else:
        say(f"asked for {len(asked):,} again: see `headrace alerts deliveries`")
