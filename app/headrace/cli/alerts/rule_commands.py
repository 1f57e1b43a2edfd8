"""``headrace alerts test``, ``check`` and ``prometheus-rules``: what a rules file comes to."""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.mistakes import show_mistakes
from headrace.cli.output import print_json, say
from headrace.cli.text import safe_text
from headrace.streams.alerts.tables import RulesError

file_argument = click.argument(
    "file", required=False, type=click.Path(dir_okay=False, path_type=Path)
)


@click.command(
    "test",
    cls=options.Command,
    examples=(
        "headrace alerts test",
        "headrace alerts test rules.toml --since 30d --rule ToolFailureRate",
        "headrace alerts test rules.toml --from 2026-05-04 --to 2026-05-05T12:00",
    ),
)
@file_argument
@options.since("--from", otherwise="7d before --until")
@options.until("--to")
@options.tenant
@click.option("--rule", help="Only this rule, as if there were no others.")
@options.as_json
@options.state_dir
def test(
    *,
    file: Path | None,
    since: float | None,
    until: float | None,
    tenant: str | None,
    rule: str | None,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Say when the rules of FILE would have fired. Writes nothing, tells nobody.

    Runs over the archived metrics; without FILE, with the configured or else the shipped rules.
    Counts the alerts that began within the span. A page is a notification of something that fires,
    repeated ones too; silences are not heeded. --json prints a line for each rule.
    """
    from headrace.cli.alerts import past, rules, show_trial  # noqa: PLC0415 - the archive is slow
    from headrace.cli.archive import connect  # noqa: PLC0415 - the same

    last = time.time() if until is None else until
    first = last - timedelta(days=7).total_seconds() if since is None else since
    if not 0 <= first < last < 2**32:
        raise click.UsageError("the span must end after it begins, and lie after 1970")
    settings = options.load(state_dir)
    chosen = rules.only(rules.load(settings, file), rule)
    with connect(settings) as archive:
        outcome = past.try_out(archive, chosen, first, last, tenant)
    for reason in outcome.unread:
        print(f"headrace alerts test: panes left out: {safe_text(reason)}", file=sys.stderr)
    if as_json:
        for one in outcome.tried:
            print_json(show_trial.as_json(one))
        return
    say(past.span_text(outcome, chosen))
    show_trial.show(outcome.tried)


@click.command(
    cls=options.Command,
    examples=(
        "headrace alerts check rules.toml",
        "headrace alerts check",
        "headrace alerts check rules.toml --json | jq '.mistakes[]'",
    ),
)
@file_argument
@options.as_json
@options.state_dir
def check(file: Path | None, as_json: bool, state_dir: Path | None) -> int:
    """Check a rules file and its receivers.

    Their secrets must be where the file says. Without FILE, the configured or else the shipped
    rules. Every mistake is a line on stderr, and the exit code 2. Tells nobody. --json prints one
    object: `valid`, every mistake with its line, or else the rules and receivers.
    """
    from headrace.cli.alerts import rules  # noqa: PLC0415 - httpx is slow to import
    from headrace.cli.alerts.words import count  # noqa: PLC0415 - the same

    try:
        found = rules.checked(file or options.load(state_dir).alert_rules, os.environ)
    except RulesError as error:
        show_mistakes(error, as_json=as_json)
        return 2
    if as_json:
        print_json(rules.as_json(found))
        return 0
    told = count(len(found.receivers), "receiver")
    size = count(len(found.rules), "rule")
    say(f"{found.source}: {size}, {told if found.receivers else 'no receivers: nobody is told'}")
    return 0


@click.command(
    "prometheus-rules",
    cls=options.Command,
    examples=("headrace alerts prometheus-rules > headrace-rules.yml",),
)
@file_argument
@options.state_dir
def prometheus_rules(file: Path | None, state_dir: Path | None) -> None:
    """Write rules for Prometheus.

    Without FILE, the configured or else the shipped rules.
    """
    from headrace.cli.alerts import rules  # noqa: PLC0415 - httpx is slow to import
    from headrace.streams.alerts.prometheus_rules import write  # noqa: PLC0415 - the same

    sys.stdout.write(write(rules.load(options.load(state_dir), file)))
