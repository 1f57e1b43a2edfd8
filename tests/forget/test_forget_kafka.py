"""``headrace forget`` on a real Kafka: dead letters cut off, and until when its topics hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.forget import certificate, run
from headrace.cli.forget.request import Requests
from headrace.cli.verify.queries import Scope
from headrace.cli.verify.run import verify
from headrace.events import topics
from headrace.events.settings import ClickHouseSettings
from headrace.streams import dead_letter_box
from tests.archive.rig import Rig
from tests.forget.behaviour import ANN, account
from tests.stack.clickhouse import running_clickhouse
from tests.support import wait_until

pytestmark = pytest.mark.kafka

DAY = 86_400.0


@pytest.fixture(scope="module")
def own_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseSettings]:
    """In which there is no evidence: its keys would be asked for."""
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as server:
        yield ClickHouseSettings(server.writer_url)


@pytest.fixture
async def rig(kafka: str, own_clickhouse: ClickHouseSettings, tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(kafka, own_clickhouse, tmp_path, 6.0)
    await rig.prepare()
    yield rig
    await rig.close()


async def forget(rig: Rig, **options: Any) -> dict[str, Any]:
    def at_once() -> dict[str, Any]:
        requests = Requests(rig.settings)
        with requests.locked():
            request = run.begin(rig.settings, rig.tenant, ANN)
            chosen = run.Options(elsewhere=0.0, **options)
            return run.Forgetting(rig.settings, request, chosen, lambda _: None).run()

    return await asyncio.to_thread(at_once)


async def letters(rig: Rig) -> list[tuple[int, bytes | None]]:
    found = await dead_letter_box.list_letters(rig.settings)
    whole = [one async for one in dead_letter_box.with_values(rig.settings, found)]
    return sorted((one.place.offset, one.value) for one in whole)


async def test_dead_letters_go_and_others_stay(rig: Rig) -> None:
    hers = [rig.line(seq, session="hers", user=ANN, turn=-1) for seq in range(1, 4)]
    his = [rig.line(seq, session="his", user="bob", turn=-1) for seq in range(1, 4)]
    elsewhere = rig.line(1, session="hers", user=ANN, turn=-1, tenant=rig.tenant + "2")
    mixed: list[bytes | None] = [one for pair in zip(hers, his, strict=True) for one in pair]
    good = [rig.line(seq, session="hers", user=ANN) for seq in range(4, 31)]
    log = rig.line(1, session="hers", epoch="00000000000000bb", user=ANN, type="log", turn=-1)
    await rig.produce([*mixed, elsewhere, b"not json", *good], partition=0)
    await rig.produce([log], topic=rig.settings.topic(topics.LOGS))
    await rig.start()
    await rig.archived(27)
    await wait_until(lambda: _has(rig, 9), 30, what="nine letters")
    before = [one for one in await letters(rig) if one[1] not in (*hers, log)]
    began = time.time()
    made = await forget(rig)
    removed = {one["store"]: one["count"] for one in made["removed"]}
    assert removed["dead letters"] == 4
    assert await letters(rig) == before
    found = await account(rig, erased=31)
    assert found.adds_up, found
    assert found.totals.erased >= 31  # and the probes
    assert found.totals.dead_lettered == 3
    assert sum(one["hits"] for one in made["searched"]) == 0
    topic = f"Kafka {rig.prefix}"
    until = {one["store"].removeprefix(topic): one["until"] for one in made["pending"]}
    assert until["agent.events"] - began == pytest.approx(14 * DAY, abs=120)
    assert until["agent.events.dlq"] - began == pytest.approx(7 * DAY + 60, abs=120)
    await check_completion(rig, made)


async def check_completion(rig: Rig, made: dict[str, Any]) -> None:
    """Only a search makes it complete, whatever the calendar says."""
    requests = Requests(rig.settings)
    request = requests.read(made["request"])
    for one in request.certificate["pending"]:
        one["until"] = time.time() - 1
    requests.save(request)
    again = await asyncio.to_thread(run.complete, rig.settings, request.id, ANN, lambda _: None)
    assert again["state"] == certificate.FOUND
    found = {one["store"] for one in again["searched"] if one["hits"]}
    assert found == {f"Kafka {rig.topic}", f"Kafka {rig.settings.topic(topics.LOGS)}"}


async def _has(rig: Rig, count: int) -> bool:
    return len(await letters(rig)) == count


async def test_no_worker_honours_it_and_then_one_does(rig: Rig) -> None:
    await rig.produce([rig.line(seq, user=ANN) for seq in range(1, 11)])
    with pytest.raises(Exception, match="no worker of the archive has honoured"):
        await forget(rig, patience=1.0)
    (request,) = Requests(rig.settings).all()
    assert request.phase == "requested"
    await rig.start()
    made = await forget(rig)
    assert made["request"] == request.id
    found = await asyncio.to_thread(verify, rig.settings, Scope(tenant=rig.tenant))
    assert found.adds_up, found
    hers = f"SELECT count() FROM events WHERE tenant = {{tenant:String}} AND user = '{ANN}'"
    assert await rig.scalar(hers) == 0
    assert found.totals.erased >= 10
    assert Requests(rig.settings).read(request.id).user is None
