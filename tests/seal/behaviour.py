"""What the worker of ``seal`` does, whatever the broker: the vault is compared with the topic."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from headrace.events.settings import ClickHouseSettings
from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.checkpoint import Checkpoint
from tests.archive.rig import NOWHERE, OnARig, Worker
from tests.seal.receiver import receiver
from tests.seal.rig import SealRig
from tests.support import wait_until


class SealBehaviour(OnARig):
    rig_class = SealRig

    async def test_kills_seal_each_leaf_once(
        self, rig: SealRig, clickhouse: ClickHouseSettings
    ) -> None:
        draw = random.Random(7)
        rig.clickhouse = NOWHERE
        for life in range(2):
            worker = await rig.start("--seal-seconds", "0.3", "--seal-leaves", "40", name="seal")
            await rig.write(300, claim=life == 1)
            # A killed one dies wherever it is by then: reading, writing files, or behind a seal.
            await rig.more_seals(draw.randrange(1, 12))
            if life == 0:
                away = partial(unwell, worker, "what is sealed is not in ClickHouse yet: ")
                await wait_until(away, 60, what="ClickHouse is waited for")
            worker.kill()
            rig.clickhouse = clickhouse
        await rig.begin()
        await rig.sealed()
        # Also of what was sealed while ClickHouse was away.
        want = {leaf.decode() for log in rig.logs for leaf in log.leaves}
        await wait_until(lambda: rig.rows_are(want), 60, what="every leaf is one row")

    async def test_a_zombie_and_its_heir_make_one_log(self, rig: SealRig) -> None:
        zombie = await rig.begin()
        await rig.write(100)
        await rig.more_seals(1)
        await rig.write(500)
        zombie.process.send_signal(signal.SIGSTOP)
        heir = await rig.begin()
        await rig.sealed()
        await rig.write(100)
        zombie.process.send_signal(signal.SIGCONT)
        await rig.sealed()
        await wait_until(zombie.healthy, 60, what="the zombie is back among the living")
        await rig.write(200)
        await rig.sealed()
        for worker in (zombie, heir):
            assert await asyncio.to_thread(worker.stop) == 0

    async def test_a_vault_that_is_away_is_waited_for(self, rig: SealRig) -> None:
        worker = await rig.begin()
        await rig.write(50)
        await rig.sealed()
        aside = rig.vault_directory.with_name("aside")
        rig.vault_directory.rename(aside)
        rig.vault_directory.write_text("the mount is gone")
        await rig.write(50)
        advice = "seal waits for its sink: nothing is sealed: the vault "
        advice += f"{rig.vault_directory} cannot be used: Not a directory: mount it, or correct"
        await wait_until(lambda: unwell(worker, advice), 60, what="it says so")
        up = partial(worker.metric, "headrace_worker_sink_up")
        await wait_until(lambda: is_zero(up), 60, what="the metric says so")
        rig.vault_directory.unlink()
        aside.rename(rig.vault_directory)
        await rig.sealed()
        assert await worker.metric("headrace_seal_leaves_total") == 300
        assert await up() == 1
        # An empty place is not it: that ends the worker, and why is its last word.
        rig.vault_directory.rename(aside)
        rig.vault_directory.mkdir()
        await rig.write(50)
        await wait_until(lambda: worker.process.poll() == 1, 60, what="it ends")
        *_, last = worker.log.read_text().splitlines()
        assert last.startswith("headrace worker: seal stops: ")
        assert "is no longer in the vault" in last

    async def test_witnesses_are_told_whoever_of_them_is_away(
        self, rig: SealRig, tmp_path: Path
    ) -> None:
        (blocked := tmp_path / "blocked").write_text("no directory")
        async with receiver() as there:
            witnesses = [tmp_path / "witness", blocked, f"{there.url}#allow=127.0.0.1"]
            rig.environment["HEADRACE_AUDIT_WITNESSES"] = ",".join(map(str, witnesses))
            worker = await rig.begin()
            await rig.write(30)
            await rig.sealed()
            await wait_until(lambda: failed(worker, "blocked"), 60, what="a failure is counted")
            blocked.unlink()
            await rig.write(30)
            await rig.sealed()
            last = {log.name: rig.checkpoint(log.name) for log in rig.logs}
            for directory in (tmp_path / "witness", blocked):
                told = partial(is_newest, directory, last)
                await wait_until(told, 90, what=f"{directory} has the newest")
            await wait_until(lambda: set(last.values()) <= set(there.got), 60, what="the URL")
        for log in rig.logs:
            found = sorted((tmp_path / "witness" / log.name).iterdir())
            sizes = [Checkpoint.from_text(note.parse(one.read_bytes()).text).size for one in found]
            assert sizes == [seal.end for seal in rig.vault.seals(log.name)]


async def unwell(worker: Worker, why: str) -> bool:
    status, text = await asyncio.to_thread(worker.get, "/healthz")
    return status == 503 and why in text


async def failed(worker: Worker, name: str) -> bool:
    _, text = await asyncio.to_thread(worker.get, "/metrics")
    lines = [
        line for line in text.splitlines() if "witness_failures_total" in line and name in line
    ]
    return any(float(line.rpartition(" ")[2]) > 0 for line in lines)


async def is_zero(metric: Callable[[], Awaitable[float]]) -> bool:
    return await metric() == 0


def is_newest(directory: Path, last: dict[str, bytes]) -> bool:
    return {path.stem: path.read_bytes() for path in directory.glob("*.checkpoint")} == last
