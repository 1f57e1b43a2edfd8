"""The demo's alerts: the five of the seed, over windows that fit a demo, told by webhook."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from headrace.cli.demo.receiver import Receiver
from headrace.cli.faults import CommandError
from headrace.cli.progress import Line
from headrace.streams.alerts import rules

RULES: Final = Path(__file__).with_name("rules.toml")
ALERT_SECONDS: Final = 90.0
"""Until everything has fired and is over: a pane, a window of two, and a worker's bad day."""


async def wait_alerts(receiver: Receiver, line: Line) -> None:
    """Wait until each rule's alert was told of as firing, and as resolved.

    Raises CommandError that names the one that was not.
    """
    wanted = {rule.name for rule in rules.load(RULES).rules}
    deadline = time.monotonic() + ALERT_SECONDS
    while left := wanted - receiver.names("resolved"):
        over = len(wanted) - len(left)
        fired = len(receiver.names("firing"))
        line.say(f"{fired} alerts fired, {over} are over", done=fired + over, total=2 * len(wanted))
        if time.monotonic() > deadline:
            raise CommandError(f"no webhook told within {ALERT_SECONDS:g} s that {min(left)} ended")
        await asyncio.sleep(0.05)
