"""``headrace audit keys``: the data keys, the master key over them, the signing keys."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.output import print_json, say


@click.group()
def keys() -> None:
    """Make, list, rotate and check the keys of the audit trail."""


@keys.command(cls=options.Command, examples=("headrace audit keys init",))
@options.as_json
@options.state_dir
def init(as_json: bool, state_dir: Path | None) -> None:
    """Make what is missing: master key, key store, signing key, vault. Overwrites nothing.

    Back the master key up then, apart from the data: what it wraps is lost with it.

    A place becomes a vault by a file, vault.json; nothing is sealed where it is missing. So see
    that the place of HEADRACE_AUDIT_VAULT is mounted before you call this.
    """
    from headrace.cli.audit.keys import init as make  # noqa: PLC0415 - cryptography is slow

    made = make(options.load(state_dir))
    if as_json:
        print_json({"made": made})
        return
    for one in made:
        say(f"made {one}")
    if not made:
        say("every key is there, and the vault")


@keys.command(
    "list",
    cls=options.Command,
    examples=("headrace audit keys list", "headrace audit keys list --subject 3f0c --json"),
)
@click.option("--subject", default="", help="Only keys whose subject's pseudonym begins so.")
@options.as_json
@options.state_dir
def list_command(subject: str, as_json: bool, state_dir: Path | None) -> None:
    """List the data keys, by pseudonym and class. No key is opened. --json prints one a line."""
    from headrace.cli.audit import keys as shown  # noqa: PLC0415 - cryptography is slow

    found = [one for one in shown.look(options.load(state_dir)) if one.id.startswith(subject)]
    if as_json:
        for one in found:
            print_json(shown.as_json(one))
    else:
        shown.show(found)


@keys.command(
    cls=options.Command,
    examples=(
        "headrace audit keys rotate --master",
        "headrace audit keys rotate --master --former old.key",
        "headrace audit keys rotate --signing",
    ),
)
@click.option("--master", is_flag=True, help="Wrap every data key by a new master key.")
@click.option("--signing", is_flag=True, help="Sign with a new key from now on.")
@click.option(
    "--former",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --master: a file of master keys that the settings no longer give.",
)
@options.as_json
@options.state_dir
def rotate(
    *, master: bool, signing: bool, former: Path | None, as_json: bool, state_dir: Path | None
) -> None:
    """Rotate the master key, or the key that signs. Interrupted, call it again.

    --master: where the master key is in a file, a fresh one is put before it, and workers take it
    up by themselves. Where it is in the environment or in KMS, first set the new one before the
    former ("NEW FORMER", or "NEW,FORMER" for KMS) and restart the workers.

    --signing: restart the worker `seal` afterwards. Former public keys stay, former private keys
    are destroyed.
    """
    from headrace.cli.audit import keys as shown  # noqa: PLC0415 - cryptography is slow

    if master == signing:
        raise click.UsageError("say --master or --signing")
    if former is not None and not master:
        raise click.UsageError("--former goes with --master")
    settings = options.load(state_dir)
    if master:
        shown.show_rotated(shown.rotate_master(settings, former), as_json=as_json)
        return
    line = shown.rotate_signing(settings)
    if as_json:
        print_json({"signing": line})
    else:
        say(f"signs from the next start of the worker `seal` on: {line}")


@keys.command(
    cls=options.Command,
    examples=("headrace audit keys public", "headrace audit keys public > headrace.pub"),
)
@options.as_json
@options.state_dir
def public(as_json: bool, state_dir: Path | None) -> None:
    """Print the public keys, a line each, the oldest first; the last one signs.

    Give them to whoever is to verify: on another way than the evidence.
    """
    from headrace.cli.audit.keys import public_lines  # noqa: PLC0415 - cryptography is slow

    lines = public_lines(options.load(state_dir))
    if as_json:
        print_json({"public": lines})
        return
    for line in lines:
        print(line)


@keys.command(
    cls=options.Command,
    examples=("headrace audit keys check", "headrace audit keys check --json"),
)
@options.as_json
@options.state_dir
def check(as_json: bool, state_dir: Path | None) -> int:
    """Open every key, and say which are lost. Exit code 1 where one is.

    Signs, and verifies that, too. --json prints a summary and a line for each lost key.
    """
    from headrace.cli.audit import keys as shown  # noqa: PLC0415 - cryptography is slow

    return shown.show_check(shown.check(options.load(state_dir)), as_json=as_json)
