from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headrace.cli.demo.cast import build, play
from headrace.cli.demo.llm_server import ScriptedLLM
from headrace.cli.demo.scenarios import SCENARIOS
from headrace.producers.agentao import attach
from tests.agentao.recording import Recorder, Studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with ScriptedLLM() as llm:
        studio = Studio(llm, tmp_path)
        yield studio
        studio.close()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with closing(Recorder()) as recorder:
        yield recorder


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """Every scenario of the demo, played once, all at the same time."""
    recorder = Recorder()
    stop = threading.Event()

    async def play_all(llm: ScriptedLLM, directory: Path) -> None:
        agents = [(s, build(s, llm, directory / s.session, stop)) for s in SCENARIOS]
        try:
            await asyncio.gather(
                *(
                    play(
                        scenario,
                        agent,
                        lambda a, s=scenario: attach(  # type: ignore[misc]
                            recorder,
                            a,
                            user=s.user,
                            session=s.session,
                            agent_name=s.agent,
                            confirm_timeout=s.confirm_timeout,
                        ),
                    )
                    for scenario, agent in agents
                )
            )
        finally:
            stop.set()
            for _, agent in agents:
                agent.close()

    with ScriptedLLM() as llm:
        asyncio.run(play_all(llm, tmp_path_factory.mktemp("agents")))
    yield recorder
    recorder.close()
