"""``headrace audit expire``: let go what fell due."""

from __future__ import annotations

import time
from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.audit import choices
from headrace.cli.output import print_json


@options.command("headrace audit expire", "headrace audit expire --apply")
@click.option("--apply", is_flag=True, help="Remove it; else it is only counted.")
@choices.who
@options.as_json
@options.state_dir
def expire(*, apply: bool, who: str, as_json: bool, state_dir: Path | None) -> None:
    """Remove evidence from the vault that fell due and is under no hold.

    Seals and hashes stay, so that all that is left stays provable. What is removed is itself
    evidence, and in Kafka first.
    """
    from headrace.cli.audit import expire as expiring  # noqa: PLC0415 - cryptography is slow

    found = expiring.expire(options.load(state_dir), who=who, apply=apply, now=time.time())
    if as_json:
        print_json(
            {
                "due": dict(found.due),
                "held": dict(found.held),
                "removed_files": found.removed,
            }
        )
    else:
        expiring.show(found, applied=apply)
