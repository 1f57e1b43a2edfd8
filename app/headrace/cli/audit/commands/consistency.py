"""``headrace audit consistency``: that one checkpoint extends another."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.output import print_json, say

_file = click.Path(path_type=Path)


@options.command(
    "headrace audit consistency january.checkpoint today.checkpoint",
    "headrace audit consistency january.checkpoint today.checkpoint --json > proof.json",
)
@click.argument("old", type=_file)
@click.argument("new", type=_file)
@options.as_json
@options.state_dir
def consistency(old: Path, new: Path, as_json: bool, state_dir: Path | None) -> int:
    """Prove that checkpoint NEW extends OLD: nothing before OLD was changed or removed since.

    Both are files of one signed checkpoint, as `headrace audit checkpoint --log LOG` prints it.
    What --json prints is checked by `python verify.py --proof FILE --key KEY`. Exit code 1 where
    NEW does not extend OLD: the log forked.
    """
    from headrace.cli.audit import proving, verifying  # noqa: PLC0415 - cryptography is slow
    from headrace.sinks.audit.vault.vault import open_vault  # noqa: PLC0415 - the same

    settings = options.load(state_dir)
    vault = open_vault(settings)
    keys = verifying.believed_keys(settings, vault)
    first, second = proving.read_signed(old, keys), proving.read_signed(new, keys)
    proof = proving.consistency(vault, first, second)
    if as_json:
        print_json(proof.as_json())
    else:
        does = "extends" if proof.good else "does NOT extend"
        say(f"{new} ({second.checkpoint.size:,}) {does} {old} ({first.checkpoint.size:,} records)")
        for step in proof.path:
            say(f"        by {step.hex()}")
    return 0 if proof.good else 1
