"""``headrace audit``: the audit trail, a subcommand a module."""

from __future__ import annotations

from typing import Final

import click

from headrace.cli.group import LazyGroup

SUBCOMMANDS: Final[dict[str, str]] = {
    "keys": "Make, list, rotate and check the keys of the audit trail.",
    "verify": "Verify the vault or a bundle: whole, or tampered with, and where.",
    "checkpoint": "Print the latest signed checkpoints, to be kept elsewhere.",
    "prove": "Prove that a record is in the log.",
    "consistency": "Prove that one checkpoint extends another.",
}
"""Every subcommand with its line of help: ``headrace.cli.audit.commands.<name>.<name>``."""


@click.group(cls=LazyGroup, lazy=SUBCOMMANDS, package="headrace.cli.audit.commands")
def audit() -> None:
    """Keep, prove and search the audit trail."""
