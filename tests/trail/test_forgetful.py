"""The local stack's Kafka is killed, and forgets everything: the evidence comes again."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import orjson

from headrace.events.settings import AuditSettings, Settings
from headrace.local.stack import LocalStack
from headrace.producers import EventProducer
from headrace.sinks.audit.keys import DataKeys, open_keys
from headrace.sinks.audit.leaf import EVENT, opened, read
from headrace.sinks.audit.vault.vault import Vault, open_vault
from tests.support import wait_until
from tests.trail.agent import KINDS, said, session, user
from tests.trail.rig import entries, pins, shown, verified

EVIDENCE = {"confirmation_resolved", "session_start"}
"""And tools that pay."""


async def test_what_kafka_forgot_comes_again_in_new_logs(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    settings = Settings(
        state_dir=tmp_path / "state", partitions=2, audit=AuditSettings(witnesses=(str(witness),))
    )
    async with LocalStack(settings.state_dir, settings=settings, workers=("audit", "seal")) as up:
        vault, keys = open_vault(up.settings), open_keys(up.settings)
        with EventProducer(
            up.settings.need_kafka(), tenant="acme", spool_dir=up.settings.spool
        ) as agent:
            say(agent, range(500))
            await wait_until(lambda: len(pins(witness)) >= 2, 60, what="sealed, and witnessed")
            pinned, before = pins(witness), set(vault.logs())
            say(agent, range(500, 700))
            assert await agent.flush(timeout=30)
            up.signal("kafka", signal.SIGKILL)
            say(agent, range(700, 1000))

            async def all_shown() -> bool:
                return len(await evidence(up, keys)) >= len(WANTED)

            await wait_until(all_shown, 120, interval=0.5, what="all evidence in ClickHouse")
        assert await evidence(up, keys) == WANTED
        after = set(vault.logs()) - before
        assert numbers(vault, keys, before) < WANTED
        assert numbers(vault, keys, after) == WANTED
    report = await asyncio.to_thread(verified, up.settings, pinned)
    assert {one["log"] for one in report["logs"]} == before | after
    assert {one["log"] for one in report["logs"] if one["pinned"]} == before


def selected(number: int) -> bool:
    kind, data = said(0, number)
    return kind in EVIDENCE or data.get("tool") == "pay_invoice"


WANTED = Counter(number for number in range(1000) if selected(number))
assert len(WANTED) == 1000 * 3 // len(KINDS)


def say(agent: EventProducer, numbers: Iterable[int]) -> None:
    for number in numbers:
        kind, data = said(0, number)
        hook = agent.hook(session=session(number), user=user(number))
        hook(SimpleNamespace(type=kind, data=data))


async def evidence(up: LocalStack, keys: DataKeys) -> Counter[int]:
    """The numbers of what the view shows."""
    return told(await shown(up.writer.need_clickhouse()), keys)


def numbers(vault: Vault, keys: DataKeys, logs: Iterable[str]) -> Counter[int]:
    """The numbers of what logs of the vault hold."""
    return told((one.leaf for log in logs for one in entries(vault, log)), keys)


def told(leaves: Iterable[bytes], keys: DataKeys) -> Counter[int]:
    found = Counter[int]()
    for leaf in leaves:
        head = read(leaf)
        if head.kind == EVENT:
            found[orjson.loads(opened(leaf, keys.by_id(head.key or "")))["data"]["number"]] += 1
    return found
