"""The demo's first half: all agents at work, recorded, until everything is archived."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.cli.demo.cast import build, play
from headrace.cli.demo.llm_server import ScriptedLLM
from headrace.cli.demo.scenarios import SCENARIOS, Scenario
from headrace.cli.faults import CommandError
from headrace.cli.progress import Line
from headrace.events.settings import Settings
from headrace.producers import EventProducer, LogHandler
from headrace.producers.report import Report

DELIVERY_SECONDS: Final = 30.0
"""Between the last event and Kafka's word for it. On loopback it takes one."""
ARCHIVE_SECONDS: Final = 60.0
"""Between Kafka and ClickHouse: a worker that joins its group anew needs ten."""
HURRY_SECONDS: Final = 0.5
"""For what an interrupted demo still has on its way: nobody will look at it."""

AGENTAO_LOG: Final = logging.getLogger("agentao")

Ensemble = list[tuple[Scenario, Any]]
"""Each scenario with its agent."""

_ARCHIVED: Final = """\
SELECT (SELECT count() FROM events) + (SELECT count() FROM logs_raw FINAL) AS records"""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the producers and the log handlers say that they took, all tenants together."""

    accepted: int = 0
    delivered: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def lost(self) -> int:
        """How many were dropped, whatever the reason."""
        return sum(self.dropped.values())


@asynccontextmanager
async def rehearsal(llm: ScriptedLLM, directory: Path) -> AsyncIterator[asyncio.Future[Ensemble]]:
    """Make all agents, in a thread beside; give what will be them. Close them at the end."""
    stop = threading.Event()
    ensemble: Ensemble = []

    def make() -> Ensemble:
        for scenario in SCENARIOS:
            if stop.is_set():
                break
            agent = build(scenario, llm, directory / scenario.session, stop)
            ensemble.append((scenario, agent))
        return ensemble

    making = asyncio.ensure_future(asyncio.to_thread(make))
    try:
        yield making
    finally:
        # Wakes people who are still thinking about an answer, too.
        stop.set()
        await asyncio.wait({making})
        for _, agent in ensemble:
            await agent.aclose()


async def perform(ensemble: Ensemble, settings: Settings, spool: Path, line: Line) -> Accepted:
    """Let all agents play at the same time; return once Kafka has every event and log record.

    Raises CommandError where it does not get them.
    """
    producers: dict[str, EventProducer] = {}
    handlers: list[LogHandler] = []
    patience = HURRY_SECONDS
    try:
        for tenant in sorted({scenario.tenant for scenario, _ in ensemble}):
            producers[tenant] = EventProducer(
                settings.need_kafka(),
                tenant=tenant,
                topic_prefix=settings.topic_prefix,
                spool_dir=spool,
            )
            handlers.append(LogHandler(producers[tenant], logging.INFO))
            AGENTAO_LOG.addHandler(handlers[-1])
        await _all(ensemble, producers, line)
        line.say("Carrying what is left to Kafka")
        patience = DELIVERY_SECONDS
    finally:
        for handler in handlers:
            AGENTAO_LOG.removeHandler(handler)
        closing = (asyncio.to_thread(p.close, patience) for p in producers.values())
        reports = await asyncio.gather(*closing)
    return _sum([*reports, *(handler.report() for handler in handlers)])


async def _all(ensemble: Ensemble, producers: dict[str, EventProducer], line: Line) -> None:
    done = 0

    async def one(scenario: Scenario, agent: Any) -> None:
        nonlocal done
        await play(
            scenario,
            agent,
            lambda a: producers[scenario.tenant].attach(
                a,
                user=scenario.user,
                session=scenario.session,
                agent_name=scenario.agent,
                confirm_timeout=scenario.confirm_timeout,
                # As the web application that the agent works in would have it.
                trace=f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
            ),
        )
        done += 1
        say()

    def say() -> None:
        tenants = len(producers)
        text = f"{len(ensemble)} agents of {tenants} tenants at work"
        line.say(text, done=done, total=len(ensemble))

    say()
    await asyncio.gather(*(one(scenario, agent) for scenario, agent in ensemble))


def _sum(reports: list[Report]) -> Accepted:
    waiting = sum(report.spooled for report in reports)
    if waiting:
        raise CommandError(f"Kafka did not take {waiting} records within {DELIVERY_SECONDS:g} s")
    dropped: Counter[str] = Counter()
    for report in reports:
        dropped.update(report.dropped)
    return Accepted(
        sum(report.accepted for report in reports),
        sum(report.delivered for report in reports),
        dropped,
    )


def count_archived(archive: Archive) -> int:
    """Count the distinct events and log records that can be queried."""
    count: int = archive.rows(_ARCHIVED)[0]["records"]
    return count


async def wait_archived(archive: Archive, wanted: int, line: Line) -> None:
    """Wait until that many of them can be queried. Raises CommandError when they do not come."""
    deadline = time.monotonic() + ARCHIVE_SECONDS
    while (count := count_archived(archive)) < wanted:
        line.say(f"Archiving {wanted:,} events and log records", done=count, total=wanted)
        if time.monotonic() > deadline:
            raise CommandError(
                f"the archive has {count:,} of {wanted:,} records after {ARCHIVE_SECONDS:g} s"
            )
        await asyncio.sleep(0.05)
