"""``headrace forget`` on a whole local stack, searched byte by byte."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from headrace.cli.archive import connect
from headrace.events.settings import Settings
from headrace.local.minder import Patience
from headrace.local.stack import LocalStack
from headrace.sinks.audit.keys import KeyName, ShreddedError, ensure_local, open_keys
from tests.cli.conftest import Cli, Ran, cli
from tests.forget.planted import dead_letter, files_with, record, spans
from tests.support import unique, wait_until, wait_until_sync

__all__ = ["cli"]

WORKERS = ("archive", "metrics", "audit")
KILLED_AT = (
    *("requested", "honoured", "files", "counting what goes", "rewriting epochs_ledger"),
    *("archive", "letters", "keys"),
)
"""Phases, and what is said in the middle of one."""
QUICK = Patience(check_every=0.2, server_stops_within=1.0)
EVENTS = 42 + 1
"""Of a recorded session, with its end."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    directory = tmp_path_factory.mktemp("forget") / "state"
    with LocalStack(directory, workers=WORKERS, patience=QUICK) as running:
        yield running


@pytest.fixture
def on_stack(cli: Cli, stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("HEADRACE_STATE_DIR", str(stack.settings.state_dir))
    return cli


def rows(settings: Settings, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    with connect(settings) as archive:
        return archive.rows(sql, parameters)


def all_of(settings: Settings, where: str, **parameters: Any) -> list[bytes]:
    """Every column of the rows of some people, as bytes."""
    columns = "tenant, session, epoch, seq, ts, type, data, v, user, agent, trace, ingested_at"
    sql = f"SELECT {columns} FROM events_raw FINAL WHERE {where} ORDER BY ALL"
    with connect(settings) as archive:
        return b"".join(archive.raw(sql, parameters, "RowBinary")).split(b"\0")


def archived(settings: Settings, tenant: str, count: int, view: str = "events") -> None:
    """Wait until so many rows are there; of events, the logs of each session, too."""
    tables = [(view, count)]
    if view == "events":
        tables.append(("logs_raw FINAL", count // EVENTS * 2))
    for table, wanted in tables:
        sql = f"SELECT count() AS n FROM {table} WHERE tenant = {{tenant:String}}"
        wait_until_sync(
            lambda sql=sql, wanted=wanted: (  # type: ignore[misc]
                rows(settings, sql, tenant=tenant)[0]["n"] >= wanted
            ),
            60,
            interval=0.2,
            what=f"{wanted} in {table} archived",
        )


def only(ran: Ran) -> dict[str, Any]:
    (one,) = ran.objects
    return one


def verdict(on_stack: Cli, tenant: str) -> dict[str, Any]:
    def settled() -> dict[str, Any] | None:
        one = only(on_stack("verify", "--tenant", tenant, "--json"))
        return one if not one["in_flight"] else None

    one = wait_until_sync(settled, 60, interval=0.3, what="nothing in flight")
    assert one is not None
    return one


def test_a_person_is_forgotten_everywhere(stack: LocalStack, on_stack: Cli) -> None:
    settings, tenant = stack.settings, unique("acme")
    ann, word, session = unique("ann"), unique("planted"), unique("hers")
    record(settings, tenant, (session, ann, word), (session + "-2", "bob", "other words"))
    asyncio.run(dead_letter(settings, tenant, unique("letter"), ann, word))
    asyncio.run(spans(settings, tenant, (session, ann, word), (session + "-2", "bob", "others")))
    archived(settings, tenant, 2 * EVENTS)
    archived(settings, tenant, 2, "otel_traces")
    before = all_of(settings, "user = 'bob' AND tenant = {tenant:String}", tenant=tenant)
    ensure_local(settings)
    store = open_keys(settings)
    subject = store.pseudonym("user", tenant, ann)
    made_keys = store.current([KeyName(subject, "session"), KeyName(subject, "business")])
    assert files_with(settings.state_dir, word, ann, session + "\0")

    counted = only(on_stack("forget", "--tenant", tenant, "--user", ann, "--dry-run", "--json"))
    assert counted["would_remove"]["events_raw"] == EVENTS
    assert counted["would_remove"]["logs_raw"] == 2
    assert counted["would_remove"]["spool on this machine"] >= EVENTS
    assert (counted["sessions"], counted["would_remove"]["data keys"]) == (1, 1)
    assert not (settings.state_dir / "forget").exists()
    archived(settings, tenant, 2 * EVENTS)

    command = ("forget", "--tenant", tenant, "--user", ann, "--yes", "--json", "--elsewhere", "0s")
    killed(stack, KILLED_AT, command)
    ran = on_stack(*command)
    assert ran.code == 0, ran
    made = only(ran)
    assert len(list((settings.state_dir / "forget").glob("f-*.json"))) == 1  # each went on with it
    removed = {one["store"]: one["count"] for one in made["removed"]}
    assert removed["ClickHouse events_raw, rows"] == EVENTS
    assert removed["ClickHouse otel_traces_raw, rows"] == 1
    assert removed["ClickHouse otel_traces_trace_id_ts, rows"] == 1
    left = rows(settings, "SELECT user FROM otel_traces WHERE tenant = {t:String}", t=tenant)
    assert left == [{"user": "bob"}]
    assert removed["ClickHouse logs_raw, rows"] == 2  # and the end of its epoch
    assert removed["ClickHouse epochs_ledger, rows"] >= 1
    assert removed["spool on this machine, lines"] >= EVENTS
    assert removed["data keys"] == 1
    assert made["subject"] == subject
    assert any("statutory retention" in one["why"] for one in made["kept"])
    with pytest.raises(ShreddedError):
        open_keys(settings).by_id(made_keys[KeyName(subject, "session")].id)
    assert open_keys(settings).by_id(made_keys[KeyName(subject, "business")].id)
    assert (made["state"], ann in ran.out, session in ran.out) == ("pending", False, False)
    assert {one["store"] for one in made["pending"]} == {
        *("Kafka agent.events", "Kafka agent.logs", "Kafka agent.events.dlq"),
        *("Kafka agent.spans", "Kafka agent.traces.state"),
    }
    assert files_with(settings.state_dir, word, ann, session + '"') == []
    assert all_of(settings, "user = 'bob' AND tenant = {tenant:String}", tenant=tenant) == before
    one = verdict(on_stack, tenant)
    assert one["adds_up"], one
    assert one["erased"] >= EVENTS
    evidence = rows(
        settings,
        "SELECT session, data FROM events WHERE type = 'headrace.erasure'"
        " AND tenant = {tenant:String} ORDER BY seq",
        tenant=tenant,
    )
    phases = [orjson.loads(row["data"])["phase"] for row in evidence]
    assert "requested" in phases
    check_completion(stack, on_stack, tenant, ann, made["request"])
    assert files_with(settings.state_dir, word, ann, session + '"') == []
    assert verdict(on_stack, tenant)["adds_up"]


def killed(stack: LocalStack, points: tuple[str, ...], command: tuple[str, ...]) -> None:
    """Run the command until it kills itself, once a point."""
    state_dir = str(stack.settings.state_dir)
    done = subprocess.run(
        [sys.executable, "-m", "tests.forget.killed", ",".join(points), *command],
        env={**os.environ, "HEADRACE_STATE_DIR": state_dir},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done


def check_completion(stack: LocalStack, on_stack: Cli, tenant: str, ann: str, request: str) -> None:
    """Once the embedded Kafka has forgotten, too, nothing is pending any more."""
    ran = on_stack("forget", "complete", request, "--user", ann, "--json")
    assert (ran.code, only(ran)["state"]) == (1, "pending")
    restart_kafka(stack)
    wait_until_sync(lambda: verdict(on_stack, tenant)["adds_up"], 60, interval=0.5)
    ran = on_stack("forget", "complete", request, "--user", ann, "--json")
    assert (ran.code, only(ran)["state"]) == (0, "complete"), ran
    shown = on_stack("forget", "status", request)
    assert "state: complete" in shown.out
    assert ann not in shown.out
    assert on_stack("forget", "complete", request, "--user", ann + "x").code == 2


def restart_kafka(stack: LocalStack) -> None:
    def kafka() -> dict[str, Any]:
        return next(part for part in stack.status()["parts"] if part["name"] == "kafka")

    before = kafka()["restarts"]
    stack.signal("kafka")
    wait_until_sync(lambda: kafka()["restarts"] > before and kafka()["well"], 60)


async def test_other_people_of_that_name_keep_theirs(stack: LocalStack, on_stack: Cli) -> None:
    settings, tenant, other = stack.settings, unique("acme"), unique("globex")
    user, session = unique("u"), unique("s")

    def plant() -> None:
        shared = "shared-" + session
        hers = ((session, user, "one"), (shared, user, "four"))
        record(settings, tenant, *hers, (session + "0", user + "0", "three"))
        record(settings, tenant, (shared, "bob", "five"))
        record(settings, other, (session, user, "two"))
        archived(settings, tenant, 4 * EVENTS)
        archived(settings, other, EVENTS)

    await asyncio.to_thread(plant)
    theirs = (
        "(tenant = {other:String} OR tenant = {tenant:String} AND user IN ('bob', {u0:String}))"
    )
    asked = {"other": other, "tenant": tenant, "u0": user + "0"}
    before = await asyncio.to_thread(all_of, settings, theirs, **asked)
    ran = await asyncio.to_thread(
        on_stack, "forget", "--tenant", tenant, "--user", user, "--yes", "--json"
    )
    assert ran.code == 0, ran
    made = only(ran)
    assert await asyncio.to_thread(all_of, settings, theirs, **asked) == before
    assert sum(one["others"] for one in made["searched"]) >= EVENTS
    assert sum(one["hits"] for one in made["searched"]) == 0
    left = "SELECT count() AS n FROM events_raw WHERE tenant = {t:String} AND user = {u:String}"
    (row,) = await asyncio.to_thread(rows, settings, left, t=tenant, u=user)
    assert row["n"] == 0
    for one in (tenant, other):
        found = await asyncio.to_thread(verdict, on_stack, one)
        assert found["adds_up"], found
    # What comes late is erased and counted, in a session that nobody knew of, too.
    await asyncio.to_thread(record, settings, tenant, ("late-" + session, user, "six"))

    def counted() -> bool:
        return bool(verdict(on_stack, tenant)["erased"] >= 3 * (EVENTS - 1))

    assert await wait_until(lambda: asyncio.to_thread(counted), 60, interval=0.3)
    (row,) = await asyncio.to_thread(rows, settings, left, t=tenant, u=user)
    assert row["n"] == 0
    assert (await asyncio.to_thread(verdict, on_stack, tenant))["adds_up"]
