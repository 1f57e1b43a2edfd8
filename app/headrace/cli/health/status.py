"""Gather the state of a deployment: its parts, its lag, its rate. Nothing that is away raises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import httpx

from headrace.cli import kafka
from headrace.cli.archive import connect
from headrace.cli.health import sealing
from headrace.cli.health.alerting import parked
from headrace.cli.health.watchdog import WatchdogState, watchdogs
from headrace.cli.kafka import Lag
from headrace.events import topics
from headrace.events.errors import HeadraceError
from headrace.events.settings import Settings
from headrace.producers.condition import Condition, all_living
from headrace.producers.lanes import undelivered_bytes

PROCESSORS: Final = (
    ("archive", topics.EVENTS),
    ("archive", topics.LOGS),
    ("archive", topics.METRICS),
    ("archive", topics.ALERTS_LOG),
    ("archive", topics.SPANS),
    ("metrics", topics.EVENTS),
    ("alerts", topics.METRICS),
    ("notify", topics.ALERTS_LOG),
    ("audit", topics.EVENTS),
    ("seal", topics.AUDIT),
    ("traces", topics.EVENTS),
)
"""The consumer groups, and the topics that they read."""
OTLP: Final = ("otlp", topics.SPANS)
"""Where there is a receiver."""
DAY_SECONDS: Final = 86_400.0
"""Later than this, a page that did not arrive is history."""
SUPERVISOR_SECONDS: Final = 3.0
"""It answers from memory, on loopback."""

# A partition is a week of `time`, so that an old archive is not read to count the last minute.
_RATE: Final = """
SELECT count() / 60 AS rate FROM events_raw
WHERE time > now() - toIntervalDay(8) AND ingested_at > now() - toIntervalMinute(1)
"""


@dataclass(frozen=True, slots=True)
class PartState:
    """One process or server."""

    name: str
    well: bool
    state: str
    """For a person: running, away, why it is not well."""
    restarts: int | None = None
    """By the local supervisor, since it started. The watchdog's restarts are among them."""
    last_end: str | None = None
    """Why it ended the last time."""


@dataclass(frozen=True, slots=True)
class GroupState:
    """One processor's consumer group on one topic."""

    processor: str
    topic: str
    behind: int
    partitions: tuple[Lag, ...]
    members: int | None = None
    """Workers in the group. None where the broker does not tell."""
    waits_for: str | None = None
    """Why it does not go on, where that can be seen from here, and what to do."""

    @property
    def wanted(self) -> bool:
        """Whether somebody runs it, now or once, or must: evidence is safe once it is sealed."""
        read_once = any(lag.committed for lag in self.partitions)
        needed = self.processor == "archive" or (self.processor == "seal" and self.behind > 0)
        return needed or bool(self.members) or read_once

    def trouble(self) -> str | None:
        """Say what is wrong and what to do."""
        what = f"{self.processor}: {self.behind:,} records of {self.topic} behind"
        if self.behind and self.members == 0 and self.wanted:
            here = f" (here it would end: {self.waits_for})" if self.waits_for else ""
            return f"{what} and no worker runs: start `headrace worker {self.processor}`{here}"
        return f"{what}, {self.waits_for}" if self.waits_for else None


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that ``headrace status`` prints."""

    parts: tuple[PartState, ...]
    groups: tuple[GroupState, ...]
    watchdogs: tuple[WatchdogState, ...]
    """Of the local stack's workers. Those run apart tell it in their metrics."""
    archived_per_second: float | None
    """Over the last minute. None where ClickHouse is away."""
    spool_bytes: int | None
    """Not yet acknowledged by Kafka. None where there is no spool here."""
    shippers: tuple[Condition, ...] = ()
    """Of the producers that spool here."""
    parked: int | None = None
    """Deliveries of alerts that were given up within the last day. None where Kafka is away."""

    @property
    def healthy(self) -> bool:
        return not self.troubles()

    def troubles(self) -> list[str]:
        """Say what is wrong and what to do, one line each."""
        troubles = [f"{part.name}: {part.state}" for part in self.parts if not part.well]
        troubles += [trouble for group in self.groups if (trouble := group.trouble())]
        troubles += [
            f"{one.processor}: the watchdog sees it stand still for {one.stalled_seconds:.0f} s "
            "with records to read, and will restart it"
            for one in self.watchdogs
            if one.stalled
        ]
        if self.parked:
            what = f"notify: {self.parked} deliveries of alerts were given up within a day"
            troubles.append(f"{what}: `headrace alerts deliveries --status parked`")
        troubles += [f"shipper {one.name}: {one}" for one in self.shippers if one.trouble]
        return troubles

    def as_json(self) -> dict[str, Any]:
        return {"healthy": self.healthy, "troubles": self.troubles(), **asdict(self)}


async def gather(settings: Settings) -> Status:
    """Look at every part at once. Raises SettingsError where no address is known at all."""
    settings.need_kafka()
    settings.need_clickhouse()
    supervised, kafka_seen, rate, said, given_up = await asyncio.gather(
        _supervised(settings),
        _kafka(settings),
        asyncio.to_thread(_rate, settings),
        watchdogs(settings.metrics_url),
        _parked(settings),
    )
    kafka_part, groups = kafka_seen
    clickhouse_part, per_second = rate
    parts = supervised or [kafka_part, clickhouse_part]
    return Status(
        parts=tuple(parts),
        groups=tuple(groups),
        watchdogs=said,
        archived_per_second=per_second,
        spool_bytes=undelivered_bytes(settings.spool) if settings.spool.is_dir() else None,
        shippers=tuple(all_living(settings.spool)),
        parked=given_up,
    )


async def _supervised(settings: Settings) -> list[PartState] | None:
    """Ask the local stack's supervisor; None where this is no local stack."""
    if settings.console_url is None:
        return None
    url = settings.console_url.rstrip("/") + "/status.json"
    try:
        async with httpx.AsyncClient(timeout=SUPERVISOR_SECONDS, trust_env=False) as client:
            answer = (await client.get(url)).json()
        return [_part(part) for part in answer["parts"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        gone = "does not answer: start it with `headrace up`"
        return [PartState("local stack", well=False, state=gone)]


def _part(part: Mapping[str, Any]) -> PartState:
    trouble = part.get("trouble")
    return PartState(
        name=str(part["name"]),
        well=bool(part["well"]),
        state=str(trouble or part.get("state") or ""),
        restarts=int(part.get("restarts") or 0),
        last_end=part.get("last_end"),
    )


async def _kafka(settings: Settings) -> tuple[PartState, list[GroupState]]:
    try:
        processors = (*PROCESSORS, OTLP) if settings.otlp else PROCESSORS
        states = await asyncio.gather(*(_group(settings, *one) for one in processors))
    except HeadraceError as error:
        return PartState("kafka", well=False, state=str(error)), []
    return PartState("kafka", well=True, state="running"), list(states)


async def _group(settings: Settings, processor: str, topic: str) -> GroupState:
    lags = await kafka.lags(settings, processor, topic)
    members = await kafka.members(settings, processor)
    state = GroupState(processor, topic, kafka.total_behind(lags), tuple(lags), members)
    # The local stack's supervisor has it from the worker itself.
    if processor == "seal" and state.behind and settings.console_url is None:
        return replace(state, waits_for=await sealing.waits_for(settings, lags, members))
    return state


async def _parked(settings: Settings) -> int | None:
    try:
        return await parked(settings, time.time() - DAY_SECONDS)
    except HeadraceError:
        return None


def _rate(settings: Settings) -> tuple[PartState, float | None]:
    try:
        with connect(settings) as archive:
            (row,) = archive.rows(_RATE)
    except HeadraceError as error:
        return PartState("clickhouse", well=False, state=str(error)), None
    return PartState("clickhouse", well=True, state="running"), float(row["rate"])
