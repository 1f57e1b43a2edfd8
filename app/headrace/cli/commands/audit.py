"""``headrace audit``: the audit trail, a subcommand a module."""

from __future__ import annotations

from typing import Final

import click

from headrace.cli.group import LazyGroup

SUBCOMMANDS: Final[dict[str, str]] = {
    "keys": "Make, list, rotate and check the keys of the audit trail.",
    "roles": "Say who may read evidence, and whose.",
    "search": "Search the evidence.",
    "export": "Hand evidence over, with all that it takes to check it.",
    "hold": "Keep evidence beyond its date: place, list and release legal holds.",
    "report": "Say what is kept how long, what is held, and what fell due.",
    "expire": "Remove evidence that fell due and is under no hold.",
}
"""Every subcommand with its line of help: ``headrace.cli.audit.commands.<name>.<name>``."""


@click.group(cls=LazyGroup, lazy=SUBCOMMANDS, package="headrace.cli.audit.commands")
def audit() -> None:
    """Keep, prove and search the audit trail."""
