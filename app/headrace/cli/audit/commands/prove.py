"""``headrace audit prove``: that a record is in the log."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.audit import choices
from headrace.cli.output import print_json, say


@options.command(
    "headrace audit prove 9f86d081884c7d65-0/41",
    "headrace audit prove acme/s-1/0123456789abcdef/12 --json > proof.json",
)
@click.argument("record", metavar="ID")
@choices.who
@options.as_json
@options.state_dir
def prove(record: str, who: str, as_json: bool, state_dir: Path | None) -> None:
    """Prove that a record is in its log, against the log's latest checkpoint.

    ID is LOG/INDEX, or TENANT/SESSION/EPOCH/SEQ of the event, which takes the keys and reads the
    vault. Whoever has the public key checks what --json prints by `python verify.py --proof FILE
    --key KEY` and needs nothing of the vault.
    """
    from headrace.cli.audit import finding, proving, verifying  # noqa: PLC0415 - slow to import
    from headrace.cli.progress import Line  # noqa: PLC0415 - the same
    from headrace.sinks.audit.vault.vault import open_vault  # noqa: PLC0415 - the same

    settings = options.load(state_dir)
    vault = open_vault(settings)
    with Line() as line:
        log, index = finding.locate(
            settings, vault, record, lambda log, done: line.say(f"{log}: {done:,} records")
        )
        line.say(f"{log}: the proof")
        keys = verifying.believed_keys(settings, vault)
        proof = proving.inclusion(vault, keys, log, index)
        proving.tell(settings, proof, who)
    if as_json:
        print_json(proof.as_json())
        return
    newest = proof.signed.checkpoint
    say(f"record {log}/{index}" + ("" if proof.leaf else ", which fell due and is gone"))
    say(f"has the hash {proof.hash.hex()}")
    for step in proof.path:
        say(f"        with {step.hex()}")
    say(f"makes the root {newest.root.hex()}")
    say(f"of {newest.size:,} records, signed by {proof.signed.signer}")
