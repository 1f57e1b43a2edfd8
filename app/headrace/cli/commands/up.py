"""``headrace up``: the local stack in one command."""

from __future__ import annotations

import os
from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.main import need_local_extra
from headrace.console.page import render


@options.command("headrace up", "headrace up --state-dir ./state")
@options.state_dir
def up(state_dir: Path | None) -> int:
    """Run the embedded Kafka and ClickHouse, the shipper and the workers until Ctrl-C.

    Writes stack.json in the state directory once all is ready: there every other command, and
    your agents, find the addresses.
    """
    need_local_extra()
    from headrace.cli.alerts.rules import need_right  # noqa: PLC0415 - not needed for help
    from headrace.cli.audit.page import evidence  # noqa: PLC0415 - the same
    from headrace.cli.audit.policy import files as policies  # noqa: PLC0415 - the same
    from headrace.cli.health.alerting import rules_text  # noqa: PLC0415 - the same
    from headrace.cli.scrub import files as scrubbing  # noqa: PLC0415 - the same
    from headrace.local.stack import run  # noqa: PLC0415 - the same
    from headrace.sinks.otlp import exporter  # noqa: PLC0415 - the same
    from headrace.streams.metrics import prices  # noqa: PLC0415 - the same

    settings = options.load(state_dir)
    # A worker would say it too, into its log, again and again.
    need_right(settings, os.environ)
    prices.load(settings.prices)
    policies.load(settings)
    if settings.scrub is not None:
        scrubbing.load(settings)
    if settings.otlp is not None:
        exporter.need_right(settings.otlp)
    click.echo(f"headrace: alert rules: {rules_text(settings)}", err=True)
    return run(settings, page=render, evidence=evidence)
