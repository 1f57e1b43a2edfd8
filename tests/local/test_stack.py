"""The running stack: what happens to it when its parts die."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from headrace.console.page import render
from headrace.events.errors import HeadraceError, SettingsError
from headrace.events.settings import Settings, load
from headrace.local.kafka import cluster_id
from headrace.local.minder import Patience
from headrace.local.stack import LocalStack
from headrace.producers import condition
from headrace.sinks.audit.keys import KeyName, ensure_local, open_keys, open_signing
from tests.local.rows import count, query, send
from tests.support import unique, wait_until

ARCHIVE = ("archive",)
"""One worker stands for all; tests of `headrace up` have the others."""
QUICK = Patience(unwell_for=1.0, check_every=0.5, server_stops_within=1.0)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    directory = tmp_path_factory.mktemp("stack") / "state"
    with LocalStack(directory, page=render, patience=QUICK, workers=ARCHIVE) as running:
        yield running


def _restarts(stack: LocalStack, part: str) -> int:
    found = (p["restarts"] for p in stack.status()["parts"] if p["name"] == part)
    return int(next(found))


def _all_well(stack: LocalStack) -> bool:
    return all(part["well"] for part in stack.status()["parts"])


async def _works(stack: LocalStack) -> None:
    """An event goes the whole way."""
    session = unique("session")
    await send(stack.settings, session, range(1, 4))

    async def there() -> bool:
        return await count(stack.settings, session) == 3

    await wait_until(there, 60)


async def test_an_event_reaches_sql(stack: LocalStack) -> None:
    await _works(stack)


async def test_stack_json_is_all_that_a_client_needs(stack: LocalStack) -> None:
    settings = load({"HEADRACE_STATE_DIR": str(stack.settings.state_dir)})
    assert settings == stack.settings


@pytest.mark.parametrize("part", ["archive", "clickhouse", "kafka"])
async def test_a_killed_part_comes_back_and_works(stack: LocalStack, part: str) -> None:
    pid, before = stack.pid(part), _restarts(stack, part)
    stack.signal(part, signal.SIGKILL)
    await wait_until(lambda: _restarts(stack, part) > before and _all_well(stack), 60)
    assert stack.pid(part) != pid
    await _works(stack)


async def test_a_restarted_kafka_is_another_cluster_at_the_same_address(stack: LocalStack) -> None:
    address = stack.settings.need_kafka().bootstrap_servers
    first, before = await cluster_id(address), _restarts(stack, "kafka")
    stack.signal("kafka")
    await wait_until(lambda: _restarts(stack, "kafka") > before and _all_well(stack), 60)
    assert await cluster_id(address) not in {None, first}


@pytest.mark.parametrize("part", ["archive", "clickhouse", "kafka"])
async def test_a_part_that_hangs_is_restarted(stack: LocalStack, part: str) -> None:
    before = _restarts(stack, part)
    stack.signal(part, signal.SIGSTOP)
    await wait_until(lambda: _restarts(stack, part) > before and _all_well(stack), 90)
    assert any(f"{part} was not well for" in said["text"] for said in stack.status()["said"])
    await _works(stack)


async def test_a_shipper_that_hangs_is_restarted(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(condition, "SILENCE", 3.0)
    before = _restarts(stack, "shipper")
    stack.signal("shipper", signal.SIGSTOP)
    await wait_until(lambda: _restarts(stack, "shipper") > before and _all_well(stack), 60)
    assert any("shipper was not well for 1 s (hangs:" in s["text"] for s in stack.status()["said"])


async def test_what_arrives_while_clickhouse_is_away_is_archived_after(stack: LocalStack) -> None:
    session, before = unique("session"), _restarts(stack, "archive")
    await stack.take_away("clickhouse")
    await wait_until(lambda: stack.pid("clickhouse") is None)
    await send(stack.settings, session, range(1, 11))
    await stack.bring_back("clickhouse")

    async def there() -> bool:
        return await count(stack.settings, session) == 10

    await wait_until(there, 60)
    assert _restarts(stack, "archive") == before


async def test_the_directory_is_locked_in_one_line(stack: LocalStack) -> None:
    with pytest.raises(HeadraceError, match=r"another stack .* --state-dir") as caught:
        await LocalStack(stack.settings.state_dir).start()
    assert "\n" not in str(caught.value)
    assert (stack.settings.state_dir / "stack.json").exists()
    await _works(stack)


async def test_two_stacks_do_not_meet(stack: LocalStack, tmp_path: Path) -> None:
    session = unique("session")
    async with LocalStack(tmp_path / "other", workers=ARCHIVE) as other:
        assert {stack.pid("kafka"), stack.pid("archive")}.isdisjoint(
            {other.pid("kafka"), other.pid("archive")}
        )
        await send(other.settings, session, range(1, 3))

        async def there() -> bool:
            return await count(other.settings, session) == 2

        await wait_until(there, 60)
        assert await count(stack.settings, session) == 0
        # One stack's credential is no good at the other.
        mine, theirs = stack.settings.need_clickhouse().url, other.settings.need_clickhouse().url
        crossed = mine.rpartition("@")[0] + "@" + theirs.rpartition("@")[2]
        with pytest.raises(aiohttp.ClientError):
            await query(crossed, "SELECT 1")


async def test_a_restart_keeps_the_archive_and_the_addresses(tmp_path: Path) -> None:
    session = unique("session")
    async with LocalStack(tmp_path / "state", workers=ARCHIVE) as first:
        await send(first.settings, session, range(1, 6))

        async def there() -> bool:
            return await count(first.settings, session) == 5

        await wait_until(there, 60)
    assert not (tmp_path / "state" / "stack.json").exists()
    async with LocalStack(tmp_path / "state", workers=ARCHIVE) as second:
        assert second.settings == first.settings
        assert await count(second.settings, session) == 5


async def test_the_audit_trails_keys_are_made(stack: LocalStack) -> None:
    (key,) = open_keys(stack.writer).current([KeyName("a" * 32, "approval")]).values()
    assert open_keys(load({}, state_dir=stack.settings.state_dir)).by_id(key.id) == key.key
    assert open_signing(stack.settings).current.name == "headrace"


async def test_a_lost_master_key_is_told_in_one_line(tmp_path: Path) -> None:
    ensure_local(Settings(state_dir=tmp_path))
    (tmp_path / "audit" / "master.key").unlink()
    stack = LocalStack(tmp_path, workers=ARCHIVE)
    with pytest.raises(SettingsError, match=r"the master key is lost: [^\n]*restore it"):
        await stack.start()
    assert not (tmp_path / "stack.json").exists()
    assert stack.pid("kafka") is None


async def test_a_part_that_cannot_start_is_told_in_one_line(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / "state", workers=["nonsense"])
    with pytest.raises(HeadraceError, match=r"nonsense ended with 2; .*nonsense.log") as caught:
        await stack.start()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "state" / "stack.json").exists()
    assert stack.pid("kafka") is None
    assert stack.pid("clickhouse") is None


class TestEndpoint:
    async def test_status_json_tells_every_part_and_no_secret(self, stack: LocalStack) -> None:
        body = await self._get(stack, "status.json", 200)
        assert all(f'"{part}"' in body for part in ("kafka", "clickhouse", "archive"))
        assert '"lag"' in body
        self._no_secret(stack, body)

    async def test_the_page_is_plain_html(self, stack: LocalStack) -> None:
        body = await self._get(stack, "", 200)
        assert "archive" in body
        assert "<script" not in body
        self._no_secret(stack, body)

    async def test_metrics_are_the_parts_own_and_the_supervisors(self, stack: LocalStack) -> None:
        body = await self._get(stack, "metrics", 200)
        assert 'headrace_part_up{part="archive"} 1.0' in body
        assert "headrace_worker_assigned_partitions" in body
        self._no_secret(stack, body)

    @pytest.mark.parametrize("path", ["", "status.json", "metrics"])
    async def test_a_rebound_name_is_refused(self, stack: LocalStack, path: str) -> None:
        await self._get(stack, path, 403, Host="evil.example")

    @pytest.mark.parametrize("path", ["", "status.json", "metrics"])
    async def test_a_web_page_is_refused(self, stack: LocalStack, path: str) -> None:
        await self._get(stack, path, 403, Origin="https://evil.example")

    async def _get(self, stack: LocalStack, path: str, status: int, **headers: str) -> str:
        url = f"{stack.settings.console_url}{path}"
        async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
            assert answer.status == status
            return await answer.text()

    def _no_secret(self, stack: LocalStack, body: str) -> None:
        for settings in (stack.settings, stack.writer):
            password = settings.need_clickhouse().url.split(":")[2].partition("@")[0]
            assert len(password) > 20
            assert password not in body
