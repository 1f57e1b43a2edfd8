"""``headrace status``: how everything is."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.cli import options
from headrace.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from headrace.cli.health.status import Status


@options.command("headrace status", "headrace status --json | jq .healthy")
@options.as_json
@options.state_dir
def status(as_json: bool, state_dir: Path | None) -> int:
    """Show lag, rates and the health of each part. Exit code 1 when something is not well.

    The parts are the local stack's processes with their restarts (the watchdog's among them), or
    the servers that the settings name. The spool is HEADRACE_SPOOL_DIR, else the state directory's.
    """
    from headrace.cli.health.status import gather  # noqa: PLC0415 - aiokafka is slow to import

    found = asyncio.run(gather(options.load(state_dir)))
    if as_json:
        print_json(found.as_json())
    else:
        _show(found)
    return 0 if found.healthy else 1


def _show(found: Status) -> None:
    print_table(
        ("part", "well", "state", "restarts", "last end"),
        [(part.name, part.well, part.state, part.restarts, part.last_end) for part in found.parts],
        right=("restarts",),
    )
    lags = [
        (one.processor, one.topic, len(one.partitions), one.members, one.behind)
        for one in found.groups
        if one.wanted
    ]
    numbers = ("partitions", "workers", "behind")
    if lags:
        print_table(("processor", "topic", *numbers), lags, right=numbers)
    for one in found.watchdogs:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(one.since))
        say(f"watchdog: {one.processor} {'stalled' if one.stalled else 'fine'} since {since}")
    if not found.watchdogs:
        say("watchdog: has said nothing yet (workers run apart say it in their metrics)")
    if found.archived_per_second is not None:
        say(f"archived: {found.archived_per_second:,.1f} events/s over the last minute")
    if found.spool_bytes is not None:
        say(f"spool: {found.spool_bytes:,} bytes not yet in Kafka")
    for trouble in found.troubles():
        say(trouble, "red")
    if found.healthy:
        say("all is well", "green")
