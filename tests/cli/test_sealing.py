"""What status says of evidence that is not sealed: why, and what to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiokafka
import pytest

from headrace.cli.health import status
from headrace.cli.health.status import gather
from headrace.events import topics
from headrace.events.settings import load
from headrace.sinks.audit.keys import signing
from headrace.sinks.audit.vault import marker
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.streams import topic_admin
from tests.cli.conftest import Cli, Stack
from tests.support import unique, wait_until


@pytest.fixture
def home(stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Be a machine of production, with topics of its own: the state directory."""
    monkeypatch.setenv("HEADRACE_KAFKA", stack.settings.need_kafka().bootstrap_servers)
    monkeypatch.setenv("HEADRACE_CLICKHOUSE_URL", stack.settings.need_clickhouse().url)
    monkeypatch.setenv("HEADRACE_TOPIC_PREFIX", unique() + ".")
    monkeypatch.setenv("HEADRACE_PARTITIONS", "1")
    monkeypatch.setenv("HEADRACE_STATE_DIR", str(tmp_path / "state"))
    asyncio.run(topic_admin.apply(load()))
    return tmp_path / "state"


async def write(*ages: float) -> None:
    """Put records into agent.audit that were written so many seconds ago."""
    settings = load()
    producer = aiokafka.AIOKafkaProducer(**settings.need_kafka().client_kwargs())
    await producer.start()
    for age in ages:
        written = int((time.time() - age) * 1000)
        topic = settings.topic(topics.AUDIT)
        await producer.send_and_wait(topic, b"{}", timestamp_ms=written, partition=0)
    await producer.stop()


@asynccontextmanager
async def sealer(committed: int | None = None) -> AsyncIterator[None]:
    """Be in the sealer's group, having sealed so many records."""
    settings = load()
    consumer = aiokafka.AIOKafkaConsumer(
        settings.topic(topics.AUDIT),
        group_id=f"{settings.topic_prefix}headrace.seal",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        **settings.need_kafka().client_kwargs(),
    )
    await consumer.start()
    try:
        await wait_until(lambda: bool(consumer.assignment()), 60)
        if committed is not None:
            await consumer.commit(dict.fromkeys(consumer.assignment(), committed))
        yield
    finally:
        await consumer.stop()


async def told() -> list[str]:
    return [one for one in (await gather(load())).troubles() if one.startswith("seal")]


def test_evidence_that_nobody_seals_is_trouble(home: Path, cli: Cli) -> None:
    (one,) = cli("status", "--json").objects
    assert not [said for said in one["troubles"] if said.startswith("seal")]
    asyncio.run(write(0, 0))
    signing_keys, vault = home / "audit" / "signing", home / "audit" / "vault"
    what = "seal: 2 records of agent.audit behind and no worker runs: start `headrace worker seal`"

    ran = cli("status", "--json")
    why = f"no signing keys in {signing_keys}: run `headrace audit keys init`"
    assert (ran.code, f"{what} (here it would end: {why})" in ran.objects[0]["troubles"]) == (
        1,
        True,
    )
    assert f"{what} (here it would end: {why})\n" in cli("status").out

    signing_keys.parent.mkdir(parents=True)
    signing.initialise(signing_keys, "test.example/headrace")
    why = (
        f"the vault {vault} has no vault.json, so it is not a vault: mount it, or run "
        "`headrace audit keys init`"
    )
    assert asyncio.run(told()) == [f"{what} (here it would end: {why})"]
    marker.make(DirectoryPlace(vault))
    assert asyncio.run(told()) == [what]


async def test_a_worker_that_is_at_it_is_left_alone(home: Path) -> None:
    await write(1, 0)
    async with sealer():
        assert await told() == []


async def test_a_worker_that_stands_still_is_told_of(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await write(900, 300, 200)
    monkeypatch.setenv("HEADRACE_AUDIT_VAULT", str(tmp_path / "vault"))
    async with sealer(committed=1):
        (said,) = await told()
        begins, _, rest = said.partition(" s: ")
        assert begins.startswith("seal: 2 records of agent.audit behind, the first for 3")
        assert rest.startswith(f"seen from here, the vault {tmp_path / 'vault'} has no vault.json")
        marker.make(DirectoryPlace(tmp_path / "vault"))
        (said,) = await told()
        assert said.endswith(" s: its worker says why at /healthz and in its log")
        free: Any = type("Usage", (), {"free": 3 * 2**20})
        monkeypatch.setattr("shutil.disk_usage", lambda _: free)
        (said,) = await told()
        assert said.endswith(
            f"seen from here, the vault {tmp_path / 'vault'} has 3 MiB free: make room"
        )


def test_what_the_worker_says_to_its_supervisor_is_told() -> None:
    why = "seal waits for its sink: nothing is sealed: the vault /v cannot be used: make room"
    part = status._part({"name": "seal", "well": False, "state": "unwell", "trouble": why})
    found = status.Status((part,), (), (), 1.0, None)
    assert found.troubles() == [f"seal: {why}"]
