"""``headrace audit export``: hand evidence over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from headrace.cli import options
from headrace.cli.audit import choices
from headrace.cli.output import print_json, say
from headrace.cli.progress import Line


@options.command(
    "headrace audit export evidence.zip --tenant acme --since 2026-01-01 --until 2026-04-01",
    "headrace audit export case-17 --tenant acme --user ann --open",
)
@click.argument("out", type=click.Path(path_type=Path))
@choices.selecting
@click.option("--open", "opening", is_flag=True, help="Decrypt into plain.jsonl: needs the keys.")
@choices.who
@options.as_json
@options.state_dir
def export(
    *,
    out: Path,
    opening: bool,
    who: str,
    as_json: bool,
    state_dir: Path | None,
    **selected: Any,
) -> None:
    """Write evidence from the vault to OUT: a directory, or a file where it ends in .zip.

    It holds the records as they were sealed, a proof for each, the signed checkpoints, a page to
    read and verify.py, which checks it with Python alone. The export is itself evidence, and in
    Kafka before anything is written. Needs the vault and the signing keys.
    """
    from headrace.cli.audit import export as exporting  # noqa: PLC0415 - cryptography is slow

    settings = options.load(state_dir)
    selection = choices.selection_of(settings, **selected)
    with Line(quiet=as_json) as line:
        counts = exporting.export(settings, exporting.Export(out, selection, who, opening), line)
    if as_json:
        print_json({"out": str(out), "leaves": counts.leaves, "plain": counts.plain})
        return
    say(f"{out}: {counts.leaves:,} records of {len(counts.logs):,} logs, {counts.plain:,} readable")
    if out.suffix == ".zip":
        say(f"check it: unzip -p {out} verify.py > verify.py && python verify.py {out}")
    else:
        say(f"check it: python {out / 'verify.py'} {out}")
    say("with --key FILE of your public key, from another hand: `headrace audit keys public`")
