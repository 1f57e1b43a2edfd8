"""``headrace audit``: the audit trail, a subcommand a module."""

from __future__ import annotations

from typing import Final

import click

from headrace.cli.lazy import LazyGroup

SUBCOMMANDS: Final[dict[str, str]] = {
    "keys": "Make, list, rotate and check the keys of the audit trail.",
    "policy": "Show, check and try what is evidence, and how long it is kept.",
    "roles": "Say who may read evidence, and whose.",
    "search": "Search the evidence.",
    "export": "Hand evidence over, with all that it takes to check it.",
    "verify": "Verify the vault or a bundle: whole, or tampered with, and where.",
    "checkpoint": "Print the latest signed checkpoints, to be kept elsewhere.",
    "prove": "Prove that a record is in the log.",
    "consistency": "Prove that one checkpoint extends another.",
    "hold": "Keep evidence beyond its date: place, list and release legal holds.",
    "report": "Say what is kept how long, what is held, and what fell due.",
    "expire": "Remove evidence that fell due and is under no hold.",
}
"""Each with its line of help; it is ``headrace.cli.audit.commands.<name>.<name>``."""


@click.group(cls=LazyGroup, table=SUBCOMMANDS, package="headrace.cli.audit.commands")
def audit() -> None:
    """Keep, prove and search the audit trail."""
