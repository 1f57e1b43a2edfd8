"""``headrace audit policy``: what is evidence, and how long it is kept."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.audit.policy import files
from headrace.cli.audit.policy import show as shown
from headrace.cli.mistakes import show_mistakes
from headrace.cli.output import print_json, say
from headrace.streams.alerts.tables import RulesError
from headrace.streams.audit import policy as policies

file_argument = click.argument(
    "file", required=False, type=click.Path(dir_okay=False, path_type=Path)
)


@click.group()
def policy() -> None:
    """Show, check and try what is evidence, and how long it is kept.

    Without FILE it is the policy of HEADRACE_AUDIT_POLICY, or else the shipped one.
    """


@policy.command(
    cls=options.Command,
    examples=("headrace audit policy show", "headrace audit policy show policy.toml --json"),
)
@file_argument
@options.as_json
@options.state_dir
def show(file: Path | None, as_json: bool, state_dir: Path | None) -> None:
    """Show the classes of a policy and its rules, in the order in which they are tried.

    Without FILE, the configured or else the shipped policy.
    """
    found = files.load(options.load(state_dir), file)
    if as_json:
        print_json(shown.as_json(found))
    else:
        shown.show(found)


@policy.command(
    cls=options.Command,
    examples=(
        "headrace audit policy check policy.toml",
        "headrace audit policy check",
        "headrace audit policy check policy.toml --json | jq '.mistakes[]'",
    ),
)
@file_argument
@options.as_json
@options.state_dir
def check(file: Path | None, as_json: bool, state_dir: Path | None) -> int:
    """Check a policy file. Every mistake is a line on stderr, and the exit code 2.

    Without FILE, the configured or else the shipped policy. --json prints one object: `valid`,
    every mistake with its line, or else what `show --json` does.
    """
    try:
        found = policies.load(file or options.load(state_dir).audit.policy)
    except RulesError as error:
        show_mistakes(error, as_json=as_json)
        return 2
    if as_json:
        print_json({"valid": True, "mistakes": [], **shown.as_json(found)})
    else:
        say(shown.title(found))
    return 0


@policy.command(
    "test",
    cls=options.Command,
    examples=(
        "headrace audit policy test",
        "headrace audit policy test policy.toml --since 30d --tenant acme",
        "headrace audit policy test policy.toml --from 2026-05-04 --json",
    ),
)
@file_argument
@options.since("--from", otherwise="all that is archived")
@options.until("--to")
@options.tenant
@options.as_json
@options.state_dir
def test(
    *,
    file: Path | None,
    since: float | None,
    until: float | None,
    tenant: str | None,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Say what a policy would select from the archive. Writes nothing.

    With FILE, also what it selects that the configured or else the shipped policy does not, and the
    other way round, with examples. Bytes are those of the events' data. --json prints one object.
    """
    from headrace.cli.archive import connect  # noqa: PLC0415 - clickhouse-connect is slow
    from headrace.cli.audit.policy import past, show_trial  # noqa: PLC0415 - the same

    last = past.LAST_SECOND if until is None else until
    selection = past.Selection(since or 0.0, last, tenant)
    if not 0 <= selection.start < selection.end <= past.LAST_SECOND:
        raise click.UsageError("the span must end after it begins, and lie after 1970")
    settings = options.load(state_dir)
    current = files.load(settings)
    chosen = files.load(settings, file) if file else current
    with connect(settings) as archive:
        outcome = past.try_out(archive, chosen, current if file else None, selection)
    if as_json:
        print_json(show_trial.as_json(outcome, selection))
    else:
        show_trial.show(outcome)
