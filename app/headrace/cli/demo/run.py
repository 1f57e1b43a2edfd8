"""``headrace demo``: from agents to SQL and to webhooks, once, and everything put away again."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headrace.cli.archive import connect
from headrace.cli.demo.alarms import RULES, wait_alerts
from headrace.cli.demo.axes import Axes, look
from headrace.cli.demo.backstage import places, until_interrupted
from headrace.cli.demo.evidence import Trail, trail
from headrace.cli.demo.llm_server import ScriptedLLM
from headrace.cli.demo.performance import (
    Accepted,
    count_archived,
    perform,
    rehearsal,
    wait_archived,
)
from headrace.cli.demo.receiver import Receiver, receiver
from headrace.cli.demo.show import Findings, find, show, where
from headrace.cli.output import print_json
from headrace.cli.progress import Line
from headrace.events.settings import Settings
from headrace.local.stack import LocalStack


def run(*, as_json: bool = False, keep: bool = False, state_dir: Path | None = None) -> int:
    """Run the demo. Returns 0, or 1 where the accounting does not add up.

    Raises HeadraceError where a part does not start, and KeyboardInterrupt at SIGINT or SIGTERM;
    by then nothing runs any more, and what was not to be kept is gone.
    """
    started = time.monotonic()
    # A slow disk is told by the accounting; a warning would stand in the middle of the line.
    logging.getLogger("headrace").addHandler(logging.NullHandler())
    with Line(quiet=as_json) as line:
        played = until_interrupted(_demo(keep, state_dir, line))
    sent, found = played.sent, played.found
    archived = found.verdict.totals.archived
    fine = found.verdict.adds_up and played.trail.report.whole and played.axes.agree
    fine = fine and archived == played.before + sent.accepted - sent.lost
    if as_json:
        print_json(_json(played) | {"adds_up": fine, "seconds": _since(started)})
    else:
        show(found, sent, played.heard, played.trail, played.axes)
        if keep or state_dir:
            where(played.state)
    return 0 if fine else 1


@dataclass(frozen=True, slots=True)
class _Played:
    """What is left of a demo."""

    before: int
    """Events in the archive beforehand: none, but where a state directory is used again."""
    sent: Accepted
    found: Findings
    heard: Receiver
    trail: Trail
    axes: Axes
    state: Path


async def _demo(keep: bool, state_dir: Path | None, line: Line) -> _Played:
    line.say("Starting Kafka, ClickHouse and the workers")
    with (
        places(keep=keep, state_dir=state_dir) as here,
        ScriptedLLM() as llm,
        receiver() as heard,
    ):
        settings = Settings(state_dir=here.state, alert_rules=RULES)
        async with (
            rehearsal(llm, here.agents) as making,
            LocalStack(here.state, settings=settings) as stack,
        ):
            with connect(stack.settings) as archive:
                before = count_archived(archive)
                sent = await perform(await making, stack.settings, here.spool, line)
                await wait_archived(archive, before + sent.accepted - sent.lost, line)
            line.say("Accounting for every event")
            found = await asyncio.to_thread(find, replace(stack.settings, spool_dir=here.spool))
            line.say("Waiting for the spans")
            axes = await asyncio.to_thread(look, stack.settings)
            await wait_alerts(heard, line)
            line.say("Waiting until the evidence is sealed")
            sealed = await asyncio.to_thread(trail, stack.settings)
            line.say("Putting everything away")
        return _Played(before, sent, found, heard, sealed, axes, here.state)


def _json(played: _Played) -> dict[str, Any]:
    found, sent, heard = played.found, played.sent, played.heard
    return {
        **found.totals,
        "events_accepted": sent.accepted,
        "events_delivered": sent.delivered,
        "events_archived": found.verdict.totals.archived,
        "events_dropped": dict(sent.dropped),
        "events_missing": found.verdict.totals.missing,
        "evidence": {one.audit_class: one.records for one in played.trail.rows},
        "evidence_whole": played.trail.report.whole,
        "four_axes": played.axes.as_data(),
        "alerts_fired": len(heard.names("firing")),
        "alerts_resolved": len(heard.names("resolved")),
        "webhooks_verified": heard.webhooks,
        "webhooks_refused": heard.refused,
    }


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
