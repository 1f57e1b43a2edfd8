"""A real Prometheus beside a real run: the same rules, the same agents, the same verdicts.

The agents play twice. Prometheus sees a counter from its first scrape on, so what a series begins
with is no increase to it: it judges the second time.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import pytest

from headrace.cli.demo.alarms import RULES
from headrace.cli.demo.llm_server import ScriptedLLM
from headrace.cli.demo.performance import perform, rehearsal
from headrace.cli.progress import Line
from headrace.events import topics
from headrace.events.settings import Settings
from headrace.local.ports import free_port
from headrace.local.stack import LocalStack
from headrace.streams.alerts import rules
from headrace.streams.alerts.prometheus_rules import write
from headrace.streams.alerts.transition import Transition
from headrace.streams.compacted import latest
from tests.support import wait_until, wait_until_sync

pytestmark = [pytest.mark.programs, pytest.mark.slow]

Verdict = tuple[str, str, str]
"""Alert, tenant and tool."""

CLEAR: Final = {
    ("ToolFailureRate", "globex", "fetch_rates"),
    ("LlmServerErrorRate", "globex", ""),
    ("MaxIterationsRate", "globex", ""),
    ("ConfirmTimeoutRate", "acme", ""),
    ("CacheHitRate", "hooli", ""),
}
"""What the agents do wrong. Nothing else is near a threshold, but the cache hit rates of other
tenants: their first calls find an empty cache, and where a window begins decides."""


def clear(verdicts: set[Verdict]) -> set[Verdict]:
    return {one for one in verdicts if one[0] != "CacheHitRate" or one in CLEAR}


@contextmanager
def prometheus(directory: Path, metrics_url: str) -> Iterator[str]:
    """Run one that scrapes and judges every second; give its address."""
    program = shutil.which("prometheus")
    assert program, "apt-get install prometheus"
    host = httpx.URL(metrics_url).netloc.decode()
    text = write(rules.load(RULES)).replace("interval: 10s", "interval: 1s")
    (directory / "rules.yml").write_text(text)
    (directory / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        "rule_files: [rules.yml]\n"
        f"scrape_configs: [{{job_name: headrace, static_configs: [{{targets: ['{host}']}}]}}]\n"
    )
    address = f"127.0.0.1:{free_port()}"
    command = [
        *(program, f"--config.file={directory / 'prometheus.yml'}"),
        *(f"--storage.tsdb.path={directory / 'data'}", f"--web.listen-address={address}"),
    ]
    log = directory / "prometheus.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        wait_until_sync(lambda: _ready(address), 60, what="Prometheus is ready")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/-/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False


async def asked(url: str, query: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.get(f"{url}/api/v1/query", params={"query": query})
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


async def fired_there(url: str, since: float) -> set[Verdict]:
    span = max(int(time.time() - since), 1)
    series = await asked(url, f'max_over_time(ALERTS{{alertstate="firing"}}[{span}s])')
    labels = [one["metric"] for one in series]
    return {(one["alertname"], one["tenant"], one.get("tool", "")) for one in labels}


async def firing_there(url: str) -> int:
    return len(await asked(url, 'ALERTS{alertstate="firing"}'))


async def alerts_here(settings: Settings) -> list[Transition]:
    found = await latest(settings.need_kafka(), settings.topic(topics.ALERTS))
    return [Transition.from_data(orjson.loads(value)) for value in found.values()]


async def fired_here(settings: Settings, since: float) -> set[Verdict]:
    return {
        (one.rule, one.tenant, one.group.get("tool", ""))
        for one in await alerts_here(settings)
        if one.state in ("firing", "resolved") and one.starts_at >= since - 20
    }


async def play(settings: Settings, directory: Path, run: int) -> None:
    with ScriptedLLM() as llm, Line(quiet=True) as line:
        async with rehearsal(llm, directory / f"agents-{run}") as making:
            await perform(await making, settings, directory / "state" / "spool", line)


async def over(settings: Settings, url: str) -> bool:
    """Whether everything that fired, here and there, has ended."""
    alerts = await alerts_here(settings)
    mine = clear({(one.rule, one.tenant, one.group.get("tool", "")) for one in alerts})
    ended = all(one.state == "resolved" for one in alerts)
    return mine >= CLEAR and ended and not await firing_there(url)


async def test_prometheus_comes_to_the_same_verdicts(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state", alert_rules=RULES)
    stack = LocalStack(tmp_path / "state", settings=settings, workers=("metrics", "alerts"))
    async with stack:
        here = stack.settings
        with prometheus(tmp_path, here.metrics_url or "") as there:
            await play(here, tmp_path, 1)
            await wait_until(lambda: over(here, there), 120, what="the first run is over")
            began = time.time()
            await play(here, tmp_path, 2)

            async def both() -> bool:
                return await fired_here(here, began) & await fired_there(there, began) >= CLEAR

            await wait_until(both, 60, what="the five alerts here and there")
            await wait_until(lambda: over(here, there), 60, what="they end here and there")
            same = clear(await fired_here(here, began))
            assert clear(await fired_there(there, began)) == same == CLEAR
            shown = await asked(there, 'max_over_time(headrace_alerts{alertstate="firing"}[5m])')
            assert {one["metric"]["alertname"] for one in shown} == {one[0] for one in CLEAR}
