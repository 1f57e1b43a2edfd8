"""``headrace verify``: account for every event."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.output import print_json


@options.command(
    "headrace verify",
    "headrace verify --session s-1",
    "headrace verify --json | jq .missing",
)
@click.option("--session", help="Only this session.")
@options.tenant
@options.as_json
@options.state_dir
def verify(session: str | None, tenant: str | None, as_json: bool, state_dir: Path | None) -> int:
    """Account for every event that a hook accepted.

    accepted = archived + expired + erased + dead-lettered + dropped by reason + in flight +
    missing. Expired is what `headrace retention` let go. Each gap is named by session, epoch and
    sequence; of sessions of people who were forgotten only marks are left. Looks into the spool
    (HEADRACE_SPOOL_DIR, else the state directory's), Kafka, the dead letters and the archive. Exit
    code 1 where it does not add up: something is missing, or two different events share one
    identity.
    """
    from headrace.cli.verify import show  # noqa: PLC0415 - clickhouse-connect is slow to import
    from headrace.cli.verify.queries import Scope  # noqa: PLC0415 - the same
    from headrace.cli.verify.run import verify as look  # noqa: PLC0415 - the same

    verdict = look(options.load(state_dir), Scope(tenant=tenant, session=session))
    if as_json:
        print_json(show.as_json(verdict))
    else:
        show.show(verdict)
    return 0 if verdict.adds_up else 1
