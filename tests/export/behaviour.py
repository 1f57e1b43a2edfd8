"""Export, backfill what was written, archive: the same rows, whatever the broker."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headrace.events.settings import ClickHouseSettings
from headrace.sinks.connection import connect
from tests.archive.rig import Rig
from tests.cli.conftest import command_line
from tests.export import hostile
from tests.export.support import rows
from tests.stack.clickhouse import running_clickhouse

SAMPLE = Path(__file__).parents[2] / "benchmarks" / "data" / "events.jsonl.gz"
START = 1_764_000_000.0


def real(tenant: str) -> list[bytes]:
    """What real agents were recorded saying, as the hook writes it."""
    numbers: defaultdict[str, int] = defaultdict(int)
    lines = []
    for at, text in enumerate(gzip.decompress(SAMPLE.read_bytes()).splitlines()):
        event = orjson.loads(text)
        session = event["session"]
        numbers[session] += 1
        line = {"v": 1, "tenant": tenant, "session": session, "user": "u", "agent": "main"}
        line |= {"epoch": "00000000000000aa", "seq": numbers[session], "turn": 1 + at // 40}
        line |= {"ts": START + at * 0.0137, "type": event["type"], "data": event["data"]}
        lines.append(orjson.dumps(line))
    return lines


def drawn(tenant: str) -> list[bytes]:
    """Hostile events, the same ones each time, of as many identities."""
    found: dict[tuple[str, str, int], bytes] = {}

    @settings(
        max_examples=10, derandomize=True, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(hostile.events(), min_size=10, max_size=30))
    def draw(lines: list[bytes]) -> None:
        for line in lines:
            event = json.loads(line)
            identity = event["session"], event["epoch"], event["seq"]
            found[identity] = hostile.of_tenant(line, tenant)

    draw()
    return list(found.values())


class RoundTripBehaviour:
    session_timeout = 6.0

    @pytest.fixture
    async def rigs(
        self, kafka: str, clickhouse: ClickHouseSettings, tmp_path: Path
    ) -> AsyncIterator[tuple[Rig, Rig]]:
        """Two archives that have nothing in common but the broker and the tenant's name."""
        with running_clickhouse(tmp_path / "other") as other:
            (tmp_path / "b").mkdir()
            first = Rig(kafka, clickhouse, tmp_path, self.session_timeout)
            second = Rig(
                kafka, ClickHouseSettings(other.writer_url), tmp_path / "b", self.session_timeout,
                tenant=first.tenant,
            )  # fmt: skip
            for rig in (first, second):
                await rig.prepare()
            yield first, second
            for rig in (first, second):
                await rig.close()

    async def test_the_rows_are_identical(self, rigs: tuple[Rig, Rig], tmp_path: Path) -> None:
        first, second = rigs
        lines = [*real(first.tenant), *drawn(first.tenant)]
        await first.produce([*lines, *lines[:100]])  # some of them sent twice
        await first.start()
        await first.archived(len(lines), 90)

        out = tmp_path / "out"
        await _export(first, out)
        manifest = orjson.loads((out / "manifest.json").read_bytes())
        files = [(out / entry["name"]).read_bytes() for entry in manifest["files"]]
        exported = [line for content in files for line in content.splitlines()]
        assert manifest["rows"] == len(exported) == len(lines)

        for time in ("once", "twice"):
            await _backfill(second, out, tmp_path / time)
        await second.start()
        await second.archived(len(exported), 90)
        there = await asyncio.to_thread(_rows, first)
        assert there == await asyncio.to_thread(_rows, second)
        size = sum(map(len, files))
        print(f"{len(there):,} rows, {size:,} bytes of JSON lines, {len(files)} files: identical")


def _rows(rig: Rig) -> list[Sequence[Any]]:
    client = connect(rig.clickhouse)
    try:
        return rows(client, rig.tenant)
    finally:
        client.close()


async def _export(rig: Rig, out: Path) -> None:
    await _run(rig, "export", "--tenant", rig.tenant, "--out", str(out))


async def _backfill(rig: Rig, files: Path, marks: Path) -> None:
    """Send files; ``marks``: how far they were sent, which nobody remembers the second time."""
    await _run(rig, "backfill", str(files), "--resume", str(marks))


async def _run(rig: Rig, *command: str) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
    environ["HEADRACE_CLICKHOUSE_URL"] = rig.clickhouse.url
    environ["HEADRACE_KAFKA"] = rig.settings.need_kafka().bootstrap_servers
    environ["HEADRACE_TOPIC_PREFIX"] = rig.settings.topic_prefix
    process = await asyncio.create_subprocess_exec(
        *command_line(*command), env=environ, stdout=asyncio.subprocess.DEVNULL, stderr=sys.stderr
    )
    assert await process.wait() == 0, command
