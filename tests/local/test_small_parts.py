"""The pieces of the supervisor, each alone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser

from headrace.console.page import render
from headrace.events.settings import (
    AuditSettings,
    ClickHouseSettings,
    KafkaSettings,
    OtlpSettings,
    Settings,
    load,
)
from headrace.local import guard
from headrace.local.child import Child, PartFailed
from headrace.local.clickhouse.auth import USERS
from headrace.local.logs import PartLog
from headrace.local.metrics import lag, merge
from headrace.local.minder import Minder, Patience
from headrace.local.parts import ShipperPart
from headrace.local.ports import free_port
from headrace.local.probes import WELL, Health
from headrace.local.stack import WORKERS, variables_of
from headrace.local.state_dir import StateDir, StateDirError
from headrace.producers.condition import RESIDENT, ConditionFile
from tests.support import wait_until, wait_until_sync

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


class Sleeper:
    """A part that is as well as the test says."""

    name = "sleeper"
    address = None

    def __init__(self, directory: Path) -> None:
        self.child: Child | None = None
        self.answer = WELL
        self.asked = 0
        self.argv = SLEEP
        self._dir = directory

    async def start(self) -> None:
        log = self._dir / "log"
        self.child = await Child.start("sleeper", self.argv, env=os.environ, log=log, cwd=self._dir)

    async def health(self) -> Health:
        self.asked += 1
        return self.answer


async def test_a_part_that_waits_for_another_is_left_alone(tmp_path: Path) -> None:
    said: list[str] = []
    part = Sleeper(tmp_path)
    patience = Patience(unwell_for=0.05, check_every=0.01, well_within=1, server_stops_within=0.1)
    minder = Minder(part, say=said.append, patience=patience)
    await minder.start()
    minder.mind()
    await wait_until(lambda: minder.well)

    part.answer, before = Health("waits for its sink", waits=True), part.asked
    await wait_until(lambda: part.asked > before + 5)
    assert minder.restarts == 0
    assert minder.status()["trouble"] == "waits for its sink"

    part.answer = Health("stuck")
    await wait_until(lambda: minder.restarts > 0)
    assert "sleeper was not well for 0.05 s (stuck); restarting it" in said
    await minder.stop(5)


async def test_a_part_that_does_not_start_says_why_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, tried = Sleeper(tmp_path), asyncio.Event()
    part.argv = [sys.executable, "-c", "raise SystemExit('no keys')"]
    minder = Minder(part, say=lambda _: None, patience=Patience(first_backoff=0.01))
    await minder.start()
    start, part.argv = part.start, SLEEP

    async def fail() -> None:
        await tried.wait()
        raise PartFailed("still no keys: make some")

    monkeypatch.setattr(part, "start", fail)
    minder.mind()
    await wait_until(lambda: "exit code 1" in str(minder.status()["trouble"]))
    assert str(minder.status()["trouble"]).endswith("log ends: no keys")
    tried.set()
    said = "does not start: still no keys: make some"
    await wait_until(lambda: minder.status()["trouble"] == said)
    monkeypatch.setattr(part, "start", start)
    await wait_until(lambda: minder.well)
    assert minder.status()["trouble"] is None
    await minder.stop(5)


async def test_a_stop_waits_for_the_question_that_is_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, order = asyncio.Event(), list[str]()
    stop = Child.stop

    async def stopped(child: Child, timeout: float) -> int:
        order.append("stopped")
        return await stop(child, timeout)

    async def health() -> Health:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:  # a client that closes takes some turns of the loop
            for _ in range(20):
                await asyncio.sleep(0)
            order.append("closed")
        return WELL

    part = Sleeper(tmp_path)
    minder = Minder(part, say=lambda _: None, patience=Patience())
    await minder.start()
    monkeypatch.setattr(part, "health", health)
    monkeypatch.setattr(Child, "stop", stopped)
    minder.mind()
    await asked.wait()
    await minder.stop(5)
    assert order == ["closed", "stopped"]


async def test_a_part_that_dies_at_once_is_started_ever_more_slowly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    part = Sleeper(tmp_path)
    patience = Patience(first_backoff=1.0, longest_backoff=10.0)
    minder = Minder(part, say=lambda _: None, patience=patience, sleep=sleep)
    await minder.start()

    async def fail() -> None:
        raise PartFailed("no")

    monkeypatch.setattr(part, "start", fail)
    assert part.child is not None
    part.child.signal(signal.SIGKILL)
    minder.mind()
    await wait_until(lambda: len(waits) > 8)
    await minder.stop(5)
    assert waits[:6] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


async def test_a_child_is_killed_when_it_does_not_stop(tmp_path: Path) -> None:
    stubborn = "import signal,time; signal.signal(15, signal.SIG_IGN); print('{}'); time.sleep(600)"
    argv = [sys.executable, "-u", "-c", stubborn]
    child = await Child.start("x", argv, env=os.environ, log=tmp_path / "log", cwd=tmp_path)
    await child.ready_line(10)
    assert await child.stop(timeout=0.2) == -signal.SIGKILL


async def test_the_ready_line_is_found_among_others(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "print('hello'); print('{not json'); print('{\"port\": 5}')"]
    child = await Child.start("x", argv, env=os.environ, log=tmp_path / "log", cwd=tmp_path)
    assert await child.ready_line(10) == {"port": 5}
    assert await child.wait() == 0


async def test_a_child_that_never_gets_ready_is_told_by_its_last_line(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "print('one'); print('no disk'); raise SystemExit(3)"]
    child = await Child.start("x", argv, env=os.environ, log=tmp_path / "log", cwd=tmp_path)
    with pytest.raises(PartFailed, match=r"^x ended with 3; .*log ends: no disk$"):
        await child.ready_line(10)
    await child.wait()


@pytest.mark.parametrize("how", [[], ["--watch"]])
def test_the_guards_child_dies_with_its_parent(tmp_path: Path, how: list[str]) -> None:
    pid_file = tmp_path / "pid"
    sleeper = (
        f"import os,time; open({str(pid_file)!r},'w').write(str(os.getpid())); time.sleep(600)"
    )
    parent = (
        "import os,subprocess,sys; subprocess.Popen([sys.executable, "
        f"{guard.__file__!r}, str(os.getpid()), *{how!r}, "
        f"sys.executable, '-c', {sleeper!r}]).wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", parent])
    pid = int(wait_until_sync(lambda: pid_file.exists() and pid_file.read_text()))
    process.kill()
    process.wait(10)
    wait_until_sync(lambda: not psutil.pid_exists(pid), 10)


def test_a_log_is_bounded(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "x.log", max_bytes=100)
    for number in range(100):
        log.write(b"line %d\n" % number)
    log.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.log", "x.log.1"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 200
    assert stat.S_IMODE((tmp_path / "x.log").stat().st_mode) == 0o600
    assert log.last_line() == "line 99"


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "missing" / "x.log")
    log.write(b"x")
    assert log.last_line() == ""


def test_a_state_dir_is_owned_by_one(tmp_path: Path) -> None:
    one, other = StateDir(tmp_path / "d"), StateDir(tmp_path / "d")
    one.acquire()
    with pytest.raises(StateDirError, match=str(os.getpid())):
        other.acquire()
    one.release()
    other.acquire()
    other.release()


def test_a_state_dir_that_cannot_be_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateDirError, match=r"cannot be used: Not a directory$"):
        StateDir(tmp_path / "file" / "d").acquire()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"kafka": "x"}', b'{"kafka": 99999999}'])
def test_broken_ports_are_forgotten(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ports.json").write_bytes(content)
    assert StateDir(tmp_path).last_ports() == {}


def test_it_is_remembered_where_kafka_was(tmp_path: Path) -> None:
    directory = StateDir(tmp_path)
    assert directory.kafka_addresses("here:1") == []
    assert directory.kafka_addresses("here:1") == []
    assert directory.kafka_addresses("here:2") == ["here:1"]
    assert directory.kafka_addresses("here:1") == ["here:2"]
    (tmp_path / "kafka.json").write_bytes(b"[]")
    assert directory.kafka_addresses("here:3") == []


@pytest.mark.parametrize("content", [b"", b"[]", b'{"reader": "x"}', b'{"reader":"", "writer":""}'])
def test_broken_credentials_are_drawn_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "credentials.json").write_bytes(content)
    drawn = StateDir(tmp_path).credentials()
    assert (set(drawn), len(set(drawn.values()))) == (set(USERS), len(USERS))
    assert StateDir(tmp_path).credentials() == drawn


def test_a_port_that_is_taken_is_not_chosen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    chosen = free_port()
    assert chosen < 32_768
    assert free_port(chosen) == chosen


async def test_a_shipper_is_as_well_as_it_says(tmp_path: Path) -> None:
    part, said = ShipperPart(StateDir(tmp_path), {}), ConditionFile(tmp_path, RESIDENT)
    assert not (await part.health()).waits  # one that never says anything is started again
    assert (await part.health()).trouble == "has not reached Kafka yet"
    said.tell("")
    assert await part.health() == WELL
    said.tell("cannot ship to Kafka (no answer)")
    answer = await part.health()
    assert answer.waits  # which starting it again would not help
    assert "cannot ship to Kafka (no answer)" in str(answer.trouble)
    said.close()


PART = {"name": "archive", "pid": 7, "well": True, "restarts": 2}
TEXT = """\
# HELP headrace_worker_lag_records Lag
# TYPE headrace_worker_lag_records gauge
headrace_worker_lag_records{partition="0"} 5.0
headrace_worker_lag_records{partition="1"} 6.0
"""


def test_the_workers_metrics_are_merged_family_by_family() -> None:
    registry = merge({"archive": TEXT, "metrics": TEXT, "broken": "}{"}, [PART], spool_bytes=9)
    merged = generate_latest(registry).decode()
    assert merged.count("# TYPE headrace_worker_lag_records gauge") == 1
    assert 'headrace_worker_lag_records{part="archive",partition="0"} 5.0' in merged
    assert 'headrace_worker_lag_records{part="metrics",partition="1"} 6.0' in merged
    assert 'headrace_part_restarts_total{part="archive"} 2.0' in merged
    assert 'headrace_part_metrics_readable{part="broken"} 0.0' in merged
    assert "headrace_spool_bytes 9.0" in merged


def test_merged_counters_and_histograms_are_well_formed_openmetrics() -> None:
    own = CollectorRegistry()
    Counter("calls", "Calls", ["tool"], registry=own).labels("a").inc(2)
    Histogram("took", "Took", buckets=(1.0,), registry=own).observe(0.5)
    merged = merge({"metrics": generate_latest(own).decode()}, [PART], spool_bytes=0)
    text = openmetrics.generate_latest(merged).decode()  # type: ignore[no-untyped-call]
    families = list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    values = {one.name: one.value for family in families for one in family.samples}
    assert values.keys() >= {"calls_total", "took_count", "took_bucket", "headrace_spool_bytes"}
    assert (values["calls_total"], values["took_count"]) == (2, 1)


def test_an_unknown_lag_is_not_zero() -> None:
    assert lag({"archive": TEXT, "metrics": ""}) == {"archive": 11}


def test_the_page_escapes_what_parts_say() -> None:
    part = PART | {"state": "up", "since": 1.0, "address": None, "trouble": "<script>x</script>"}
    part |= {"last_end": None}
    said = [{"at": 2.0, "text": "<img src=x onerror='y'>"}]
    page = render({"state": "ready", "since": 0.0, "parts": [part], "said": said}, now=3.0)
    assert "<script>x" not in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=&#x27;y&#x27;&gt;" in page


def test_the_master_key_is_in_the_environment_of_who_encrypts_alone() -> None:
    settings = Settings(
        state_dir=Path("/x"),
        kafka=KafkaSettings("h:1"),
        clickhouse=ClickHouseSettings("http://h/d"),
        audit=AuditSettings(master_key="c2VjcmV0"),
    )
    found = {name: str(variables_of(settings, name)) for name in (*WORKERS, "shipper")}
    assert [name for name, text in found.items() if "c2VjcmV0" in text] == ["audit"]


def test_the_receivers_headers_are_in_the_environment_of_who_sends_alone() -> None:
    settings = Settings(
        state_dir=Path("/x"),
        kafka=KafkaSettings("h:1"),
        clickhouse=ClickHouseSettings("http://h/d"),
        otlp=OtlpSettings("https://h:1", "grpc", (("a", "s3, cret%"), ("b", "")), Path("/ca.pem")),
    )
    assert load(variables_of(settings, "otlp")).otlp == settings.otlp
    assert not [one for one in (*WORKERS, "shipper") if "cret" in str(variables_of(settings, one))]


def test_the_sealer_is_told_that_each_class_has_its_topic() -> None:
    settings = Settings(
        state_dir=Path("/x"),
        kafka=KafkaSettings("h:1"),
        clickhouse=ClickHouseSettings("http://h/d"),
    )
    name = "HEADRACE_AUDIT_TOPIC_PER_CLASS"
    assert name not in variables_of(settings, "seal")
    per_class = replace(settings, audit=AuditSettings(topic_per_class=True))
    assert variables_of(per_class, "seal")[name] == "1"
