"""``headrace audit checkpoint``: the latest signed checkpoints."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.output import print_json


@options.command(
    "headrace audit checkpoint > pinned.checkpoint",
    "headrace audit checkpoint --log 9f86d081884c7d65-0 --json",
)
@click.option("--log", help="Only this log.")
@options.as_json
@options.state_dir
def checkpoint(log: str | None, as_json: bool, state_dir: Path | None) -> None:
    """Print the latest signed checkpoint of each log, to be kept where nobody can change it.

    What is printed is what `headrace audit verify --since FILE` takes. --json prints one a line.
    """
    from headrace.cli.audit import proving, verifying  # noqa: PLC0415 - cryptography is slow
    from headrace.sinks.audit.vault.vault import open_vault  # noqa: PLC0415 - the same

    settings = options.load(state_dir)
    vault = open_vault(settings)
    keys = verifying.believed_keys(settings, vault)
    for one in [log] if log is not None else vault.logs():
        newest = proving.latest(vault, one, keys)
        if as_json:
            size, root = newest.checkpoint.size, newest.checkpoint.root.hex()
            print_json({"log": one, "size": size, "root": root, "checkpoint": newest.text})
        else:
            # A note is UTF-8 whatever the terminal's encoding is: its bytes are what was signed.
            click.get_binary_stream("stdout").write(newest.text.encode())
