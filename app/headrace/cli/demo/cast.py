"""Turns a scenario into a real agentao agent and lets it play."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from agentao import Agentao
from agentao.mcp.registry import InMemoryMCPRegistry
from agentao.permissions import PermissionEngine
from agentao.skills import SkillManager
from agentao.transport import SdkTransport

from headrace.cli.demo.llm_server import ScriptedLLM
from headrace.cli.demo.scenarios import Scenario
from headrace.cli.demo.tools import DemoTool
from headrace.producers import answered_by

RESEARCHER_MODEL = "researcher"
_RESEARCHER = f"""---
name: researcher
description: "Reads files and answers one question about them."
model: {RESEARCHER_MODEL}
tools: read_file, list_directory
max_turns: 5
---
You read what is needed and answer in one sentence.
"""

Attach = Callable[[Any], AbstractContextManager[Any]]


def build(scenario: Scenario, llm: ScriptedLLM, directory: Path, stop: threading.Event) -> Agentao:
    """Make the agent of ``scenario`` in ``directory`` and put its script on the server.

    ``stop`` wakes a person who is late with an answer.
    """
    directory.mkdir(parents=True)
    for name, text in scenario.files.items():
        (directory / name).write_text(text, encoding="utf-8")
    if scenario.sub_agent:
        agents = directory / ".agentao" / "agents"
        agents.mkdir(parents=True)
        (agents / "researcher.md").write_text(_RESEARCHER, encoding="utf-8")
        llm.add(scenario.session, RESEARCHER_MODEL, scenario.sub_agent)
    for turn in scenario.turns:
        llm.add(scenario.session, scenario.model, turn.replies)
    if scenario.churns:
        llm.never_cache(scenario.session)
    rules = [{"tool": tool, "action": "deny"} for tool in scenario.deny]
    return Agentao(
        api_key="scripted",
        base_url=llm.base_url(scenario.session),
        model=scenario.model,
        working_directory=directory,
        transport=SdkTransport(confirm_tool=_person(scenario, stop)),
        permission_engine=PermissionEngine(project_root=directory, rules=rules),
        extra_tools=[DemoTool(name) for name in scenario.tools],
        # Nothing of the user's: their skills would be sent, their MCP servers started.
        skill_manager=SkillManager(
            skills_dir=str(directory / "skills"), working_directory=directory
        ),
        mcp_registry=InMemoryMCPRegistry({}),
    )


def _person(scenario: Scenario, stop: threading.Event) -> Callable[..., bool]:
    """Answer like a person who needs a moment, or too long."""

    def confirm(*_asked: Any) -> bool:
        thinking = 30.0 if scenario.answer == "late" else 0.25
        stop.wait(thinking)
        answered_by(scenario.approver)
        return scenario.answer == "allow"

    return confirm


async def play(scenario: Scenario, agent: Agentao, attach: Attach) -> None:
    """Let the agent answer all turns of its scenario, recorded by ``attach``."""
    with attach(agent):
        for turn in scenario.turns:
            await agent.arun(turn.message, max_iterations=turn.max_iterations)
        if scenario.forget:
            agent.memory_manager.wipe_all()
