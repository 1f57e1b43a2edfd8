"""``headrace tail-file``: log files into Kafka."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from headrace.cli import options
from headrace.cli.faults import CommandError
from headrace.cli.output import print_json, say
from headrace.cli.tail_file.formats import CHOICES
from headrace.cli.tail_file.paths import Paths, from_pattern
from headrace.events.identity import UNBOUND_SESSION


@options.command(
    "headrace tail-file /srv/agent/agentao.log --tenant acme",
    "headrace tail-file '/data/*/agentao.log'"
    " --tenant-from-path '/data/tenant-{tenant}/agentao.log'",
    "headrace tail-file old.log --tenant acme --timezone Europe/Berlin --once",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--tenant", help="Tenant of the files.")
@click.option(
    "--tenant-from-path", "pattern", help="Where {tenant} stands in their paths, with * for others."
)
@click.option("--session", default=UNBOUND_SESSION, show_default=True, help="Their session.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(CHOICES),
    default="auto",
    show_default=True,
    help="How records are written; auto goes by a file's first line.",
)
@click.option("--timezone", "zone", help="Of times that name none (default: this machine's).")
@click.option("--once", is_flag=True, help="Read to the ends of the files and stop.")
@options.as_json
@options.state_dir
def tail_file(  # noqa: PLR0917 - click passes them by name
    files: tuple[str, ...],
    tenant: str | None,
    pattern: str | None,
    session: str,
    kind: str,
    zone: str | None,
    once: bool,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Follow log FILEs and send each record to Kafka, until Ctrl-C or SIGTERM.

    FILEs may be globs, in quotes, and need not exist yet. Rotation and truncation are followed.
    The next run goes on where this one ended, and no record is sent as another twice.
    """
    from headrace.cli.tail_file.follow import Whose  # noqa: PLC0415 - aiokafka is slow to import
    from headrace.cli.tail_file.run import Following  # noqa: PLC0415 - the same

    if bool(tenant) == bool(pattern):
        raise click.UsageError("say whose files these are: --tenant or --tenant-from-path")
    settings = options.load(state_dir)
    paths = Paths(files, from_pattern(pattern) if pattern else lambda _: tenant)
    most = settings.max_event_bytes
    whose = Whose(tenant or "", session, kind, _zone(zone), most, once)
    following = Following(settings, paths, whose, settings.state_dir / "tail-file")
    followed = asyncio.run(following.run())
    if as_json:
        print_json(asdict(followed))
    else:
        of = "file" if followed.files == 1 else "files"
        say(f"{followed.records:,} records of {followed.files:,} {of} sent")


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CommandError(f"no time zone {name!r}: a name such as Europe/Berlin") from None
