"""``headrace audit verify``: whole, or tampered with, and where."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.output import print_json


@options.command(
    "headrace audit verify",
    "headrace audit verify --since witness/ --key auditor.pub",
    "headrace audit verify s3://acme-audit/vault --since pinned.checkpoint --json",
    "headrace audit verify export.zip --key auditor.pub",
)
@click.argument("path", required=False)
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File of public keys that are believed, and no others.",
)
@click.option(
    "--since",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Checkpoints that were kept elsewhere: a file, or a witness's directory.",
)
@options.as_json
@options.state_dir
def verify(
    path: str | None,
    keys: tuple[Path, ...],
    since: tuple[Path, ...],
    as_json: bool,
    state_dir: Path | None,
) -> int:
    """Verify PATH: a vault (a directory or s3://bucket/prefix) or a bundle (a directory or a .zip).

    Without PATH: the vault of the settings, by this machine's public keys and against its witnesses
    that are directories. Each finding has a name and the first bad position. Exit code 1 where it
    was tampered with. What is found and what cannot be is in docs/audit.md.
    """
    from headrace.cli.audit.verifying import verify as look  # noqa: PLC0415 - cryptography is slow
    from headrace.sinks.audit.verify.offline import lines_of  # noqa: PLC0415 - the same

    report = look(options.load(state_dir), path, keys, since)
    if as_json:
        print_json(report.as_json())
    else:
        for line in lines_of(report):
            print(line)
    return 0 if report.whole else 1
