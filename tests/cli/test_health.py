"""status, doctor and tail."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiokafka
import orjson
import pytest

from headrace.cli.health.status import GroupState, Status
from headrace.cli.health.watchdog import read
from headrace.cli.kafka import Lag
from headrace.events import topics
from headrace.local.stack import WORKERS
from headrace.producers.condition import ConditionFile
from headrace.streams.compacted import latest
from headrace.streams.notify.codec import encode_delivery
from headrace.streams.watchdog import Verdict
from headrace.streams.worker_metrics import Metrics
from tests.cli.alerting import delivery
from tests.cli.alerting import send as send_records
from tests.cli.conftest import Cli, Stack, command_line, insert, line
from tests.support import unique, wait_until_sync


async def send(stack: Stack, topic: str, session: str, *values: bytes) -> None:
    producer = aiokafka.AIOKafkaProducer(**stack.settings.need_kafka().client_kwargs())
    await producer.start()
    for value in values:
        await producer.send_and_wait(topic, value, session.encode())
    await producer.stop()


@pytest.fixture
def deserted(on_stack: Cli, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Topics that no worker reads, with three events of a tenant: ``(prefix, tenant)``."""
    prefix, tenant = unique() + ".", unique()
    monkeypatch.setenv("HEADRACE_TOPIC_PREFIX", prefix)
    assert on_stack("topics", "diff").code == 1
    assert on_stack("topics", "apply").code == 0
    assert on_stack("topics", "diff").code == 0
    lines = [line(tenant, "s", seq, "x", {}) for seq in (1, 2, 3)]
    asyncio.run(send(stack, prefix + topics.EVENTS, "s", *lines))
    return prefix, tenant


@pytest.fixture(autouse=True)
def nothing_given_up(stack: Stack) -> None:
    """Take away the deliveries that other tests left parked on the stack that all share."""
    settings = stack.settings
    left = asyncio.run(latest(settings.need_kafka(), settings.topic(topics.DELIVERIES)))
    send_records(stack, topics.DELIVERIES, [(key.decode(), None) for key in left])


def test_a_well_stack(on_stack: Cli) -> None:
    ran = on_stack("status")
    assert ran.code == 0
    assert ran.out.endswith("all is well\n")
    (one,) = on_stack("status", "--json").objects
    assert one["healthy"]
    assert {part["name"] for part in one["parts"]} == {"kafka", "clickhouse", "shipper", *WORKERS}
    assert {group["processor"] for group in one["groups"]} == set(WORKERS)
    assert one["spool_bytes"] is None


def test_the_watchdog_has_its_say(on_stack: Cli) -> None:
    # It looks every few seconds.
    def all_said() -> list[Any] | None:
        said: list[Any] = on_stack("status", "--json").objects[0]["watchdogs"]
        return said if len(said) == len(WORKERS) else None

    said = wait_until_sync(all_said, 60) or []
    assert {one["processor"]: one["stalled"] for one in said} == dict.fromkeys(WORKERS, False)
    assert all(0 < one["since"] <= time.time() for one in said)
    assert "watchdog: archive fine since " in on_stack("status").out


def test_a_stall_is_trouble() -> None:
    metrics, now = Metrics(), [1_000.0]
    verdict = Verdict(metrics, "archive", 10, lambda: now[0])
    assert read(metrics.render()[0].decode()) == ()
    for standing, stalled, since in [
        *((0.0, 0.0, 1_000.0), (9.0, 0.0, 1_000.0), (12.0, 12.0, 1_190.0)),
        *((20.0, 20.0, 1_190.0), (0.0, 0.0, 1_404.0)),
    ]:
        verdict.tell(standing)
        (one,) = read(metrics.render()[0].decode())
        assert (one.stalled, one.stalled_seconds, one.since) == (stalled > 0, stalled, since)
        status = Status(
            parts=(), groups=(), watchdogs=(one,), archived_per_second=1.0, spool_bytes=None
        )
        assert status.healthy is not one.stalled
        now[0] += 101.0


def test_lag_without_a_worker_is_trouble(
    deserted: tuple[str, str], on_stack: Cli, stack: Stack
) -> None:
    ran = on_stack("status", "--json")
    assert ran.code == 1
    (one,) = ran.objects
    assert one["groups"][0]["behind"] == 3
    assert any("headrace worker archive" in trouble for trouble in one["troubles"])


def test_what_no_worker_has_read_is_in_flight(deserted: tuple[str, str], on_stack: Cli) -> None:
    _, tenant = deserted
    (one,) = on_stack("verify", "--tenant", tenant, "--json").objects
    assert (one["accepted"], one["in_flight"], one["missing"]) == (3, 3, 0)
    assert one["adds_up"]


def test_the_doctor_finds_a_well_stack_well(on_stack: Cli) -> None:
    ran = on_stack("doctor", "--json")
    assert {check["level"] for check in ran.objects} <= {"ok", "warn"}, ran.out
    assert ran.code == 0
    names = {check["name"] for check in ran.objects}
    assert {"versions", "kafka", "topics", "clickhouse", "schema", "clocks", "spool"} <= names


def test_the_doctor_tells_of_each_topic_that_a_worker_reads(on_stack: Cli) -> None:
    texts = {c["text"] for c in on_stack("doctor", "--json").objects if c["name"] == "archive"}
    for topic in (topics.EVENTS, topics.METRICS, topics.ALERTS_LOG, topics.SPANS):
        assert any(text.endswith(f" records of {topic} behind") for text in texts), texts


def test_the_doctor_names_the_worker_that_does_not_run(
    deserted: tuple[str, str], on_stack: Cli
) -> None:
    checks = {(c["name"], c["level"]): c["text"] for c in on_stack("doctor", "--json").objects}
    assert "3 records of agent.events behind: `headrace worker archive`" in checks[
        "archive", "fail"
    ] + checks.get(("archive", "warn"), "")
    assert checks["notify", "warn"].endswith(": `headrace worker notify`")


def test_the_doctor_tells_of_pages_that_did_not_arrive(
    deserted: tuple[str, str], on_stack: Cli, stack: Stack
) -> None:
    prefix, _ = deserted
    assert "ok   deliveries: none is parked" in on_stack("doctor").out
    records = [delivery("msg_1", "parked"), delivery("msg_2", "delivered")]
    values = [(one.id, encode_delivery(one)) for one in records]
    told = replace(stack, settings=replace(stack.settings, topic_prefix=prefix))
    send_records(told, topics.DELIVERIES, values)
    (status,) = on_stack("status", "--json").objects
    assert status["parked"] == 0  # a year ago
    lately = replace(delivery("msg_3", "parked"), at=time.time())
    send_records(told, topics.DELIVERIES, [(lately.id, encode_delivery(lately))])
    ran = on_stack("status")
    assert ran.code == 1
    assert "notify: 1 deliveries of alerts were given up within a day" in ran.out
    arrived = encode_delivery(replace(lately, status="delivered"))
    send_records(told, topics.DELIVERIES, [(lately.id, arrived)])
    out = on_stack("doctor").out
    assert "warn deliveries: 1 was given up: `headrace alerts deliveries --status parked`" in out


def test_the_doctor_reads_the_rules(
    on_stack: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    monkeypatch.setenv("HEADRACE_ALERT_RULES", str(rules))
    assert "fail alert rules: the rules file" in on_stack("doctor").out
    rules.write_text("[[rule]]\n")
    assert f"fail alert rules: {rules}:1: " in on_stack("doctor").out
    rules.write_text("")
    assert f"ok   alert rules: {rules}: 0 rules" in on_stack("doctor").out


def test_a_worker_that_has_read_nothing_yet_is_shown() -> None:
    assert GroupState("notify", topics.ALERTS_LOG, 0, (Lag(0, None, 0, 0),), members=1).wanted
    assert not GroupState("notify", topics.ALERTS_LOG, 0, (Lag(0, None, 0, 0),), members=0).wanted


def test_the_doctor_says_what_is_missing(
    on_stack: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEADRACE_TOPIC_PREFIX", unique())
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEADRACE_SPOOL_DIR", str(tmp_path / "file" / "spool"))
    ran = on_stack("doctor")
    assert ran.code == 1
    failed = [text for text in ran.out.splitlines() if text.startswith("fail")]
    assert any("headrace topics apply" in text for text in failed)
    assert any(text.startswith("fail spool:") for text in failed)


def test_what_keeps_a_producers_shipper_from_its_work_is_told(
    on_stack: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEADRACE_SPOOL_DIR", str(tmp_path))
    shipper = ConditionFile(tmp_path, "0123")
    shipper.tell("")
    assert on_stack("status").code == 0
    shipper.tell("cannot ship to Kafka (AuthenticationFailedError)")
    ran = on_stack("status", "--json")
    assert ran.code == 1
    (told,) = ran.objects[0]["troubles"]
    assert "0123" in told
    assert "AuthenticationFailedError" in told
    ran = on_stack("doctor")
    assert ran.code == 1
    assert "fail shipper 0123: cannot ship to Kafka (AuthenticationFailedError)" in ran.out
    shipper.close()


def test_the_doctor_notices_a_clock_that_is_ahead(on_stack: Cli, stack: Stack) -> None:
    insert(stack, [line(unique(), "s", 1, "x", {}, ts=time.time() + 3_600)])
    checks = {check["name"]: check for check in on_stack("doctor", "--json").objects}
    assert checks["sources"]["level"] == "warn"
    assert "ahead" in checks["sources"]["text"]


def test_the_doctor_tells_wrong_settings(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_PARTITIONS", "many")
    ran = cli("doctor")
    assert ran.code == 1
    assert "fail settings: HEADRACE_PARTITIONS" in ran.out


def test_tail_follows_what_it_is_asked_for(deserted: tuple[str, str], stack: Stack) -> None:
    prefix, tenant = deserted
    with following(stack, "--tenant", tenant, "--type", "wanted") as tail:
        # It follows from now on, and says nothing when that is: send until the first one comes.
        found = asyncio.run(_send_until_seen(stack, prefix, tenant, tail))
        tail.terminate()
        assert tail.wait(10) == 143
    event = orjson.loads(found)
    assert (event["tenant"], event["type"], event["seq"] >= 10) == (tenant, "wanted", True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_tail_ends_cleanly_when_told(
    deserted: tuple[str, str], stack: Stack, number: signal.Signals, code: int
) -> None:
    prefix, tenant = deserted
    with following(stack, "--tenant", tenant, "--type", "wanted") as tail:
        asyncio.run(_send_until_seen(stack, prefix, tenant, tail))
        tail.send_signal(number)
        assert tail.wait(10) == code
        assert tail.stderr is not None
        assert tail.stderr.read() == b""


def test_tail_ends_when_told_while_nothing_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        tail = subprocess.Popen(
            command_line("tail"),
            env={"HEADRACE_KAFKA": f"127.0.0.1:{mute.getsockname()[1]}"},
            stderr=subprocess.PIPE,
        )
        try:
            mute.settimeout(30)
            connection, _ = mute.accept()
            with connection:  # it waits for an answer
                tail.terminate()
                assert tail.wait(10) == 143
        finally:
            tail.kill()
            tail.communicate()


@contextmanager
def following(stack: Stack, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``headrace tail --json``; it is gone in any case afterwards."""
    tail = subprocess.Popen(
        command_line("tail", *args, "--json", "--state-dir", str(stack.settings.state_dir)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield tail
    finally:
        tail.kill()
        tail.communicate()


async def _send_until_seen(
    stack: Stack, prefix: str, tenant: str, tail: subprocess.Popen[bytes]
) -> bytes:
    assert tail.stdout is not None
    seen = asyncio.create_task(asyncio.to_thread(tail.stdout.readline))
    try:
        for seq in range(10, 110):
            other = line(unique(), "s", seq, "wanted", {})
            noise = line(tenant, "s", seq, "noise", {})
            wanted = line(tenant, "s", seq, "wanted", {"text": "\x1b[2J"})
            await send(stack, prefix + topics.EVENTS, "s", other, noise, wanted)
            done, _ = await asyncio.wait([seen], timeout=0.2)
            if done:
                break
    finally:
        if not seen.done():
            tail.kill()  # which ends the thread that reads
    return await seen
