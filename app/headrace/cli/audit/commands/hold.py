"""``headrace audit hold``: evidence that stays whatever its date is."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.audit import choices
from headrace.cli.audit.selection import Selection, about
from headrace.cli.output import print_json, say


@click.group()
def hold() -> None:
    """Keep evidence beyond its date: place, list and release legal holds."""


@hold.command(
    cls=options.Command,
    examples=(
        'headrace audit hold place --tenant acme --user ann --reason "case 17"',
        'headrace audit hold place --class business --reason "tax audit of 2026"',
    ),
)
@options.tenant
@choices.about
@choices.audit_class
@click.option("--reason", required=True, help="Why; it stands in the clear, so no names.")
@choices.who
@options.as_json
@options.state_dir
def place(
    *,
    tenant: str | None,
    user: str | None,
    session: str | None,
    pseudonyms: bool,
    audit_class: str | None,
    reason: str,
    who: str,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Hold what matches all that is given: what is sealed, and what is still to come.

    Neither its date nor a wish to be forgotten takes it away until the hold is released.
    """
    from headrace.cli.audit import holds  # noqa: PLC0415 - cryptography is slow

    settings = options.load(state_dir)
    selection = about(
        settings,
        Selection(tenant=tenant, audit_class=audit_class),
        user=user,
        session=session,
        pseudonyms=pseudonyms,
    )
    made, files = holds.place(settings, selection, reason=reason, who=who)
    if as_json:
        print_json({**holds.as_json(made), "files": files})
        return
    say(made.hold.id)
    say(f"holds {files:,} files that are sealed, and what comes to it from now on")


@hold.command(
    "list",
    cls=options.Command,
    examples=("headrace audit hold list", "headrace audit hold list --all --json"),
)
@click.option("--all", "everything", is_flag=True, help="Those that were released, too.")
@options.as_json
@options.state_dir
def list_command(everything: bool, as_json: bool, state_dir: Path | None) -> None:
    """List the holds that stand, the earliest first. --json prints one a line."""
    from headrace.cli.audit import holds  # noqa: PLC0415 - cryptography is slow

    found = holds.read(options.load(state_dir), everything=everything)
    if as_json:
        for one in found:
            print_json(holds.as_json(one))
    else:
        holds.show(found)


@hold.command(
    cls=options.Command,
    examples=('headrace audit hold release 3f0c9a --reason "case 17 is closed"',),
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", required=True, help="Why; it stands in the clear, so no names.")
@choices.who
@options.as_json
@options.state_dir
def release(
    ids: tuple[str, ...], reason: str, who: str, as_json: bool, state_dir: Path | None
) -> None:
    """Release holds. An ID may be cut short.

    What fell due meanwhile goes with the next `headrace audit expire --apply`.
    """
    from headrace.cli.audit import holds  # noqa: PLC0415 - cryptography is slow

    freed = holds.release(options.load(state_dir), ids, reason=reason, who=who)
    if as_json:
        print_json({"released": freed})
        return
    for name, files in freed.items():
        say(f"released {name}: {files:,} files are under no other hold")
