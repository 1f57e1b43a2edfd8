"""A producer that keeps what it is told, and the agents that tell it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agentao import Agentao
from agentao.transport import SdkTransport

from headrace.cli.demo.llm_server import Reply, ScriptedLLM, ToolCall
from headrace.cli.demo.tools import DemoTool
from headrace.testing import InMemoryProducer


class Recorder(InMemoryProducer):
    """What a test asks of the recorded events."""

    def types(self, session: str | None = None) -> list[str]:
        return [event.type for event in self.events(session=session)]

    def of(self, kind: str, session: str | None = None) -> list[dict[str, Any]]:
        return [event.data for event in self.events(kind, session=session)]


class Studio:
    """Makes agents whose model says what a test wants."""

    def __init__(self, llm: ScriptedLLM, directory: Path) -> None:
        self.llm = llm
        self.directory = directory
        self.agents: list[Agentao] = []

    def agent(
        self,
        replies: Sequence[Reply] = (Reply("hello"),),
        *,
        tools: Sequence[Any] = (),
        transport: Any = None,
        **more: Any,
    ) -> Agentao:
        name = f"agent-{len(self.agents)}"
        self.llm.add(name, "m", replies)
        agent = Agentao(
            api_key="scripted",
            base_url=self.llm.base_url(name),
            model="m",
            working_directory=self.directory / name,
            transport=transport or SdkTransport(),
            extra_tools=[DemoTool(t) if isinstance(t, str) else t for t in tools],
            **more,
        )
        self.agents.append(agent)
        return agent

    def helper(self, replies: Sequence[Reply]) -> None:
        """Give the next agent a sub-agent: the tool ``agent_helper``."""
        name = f"agent-{len(self.agents)}"
        directory = self.directory / name / ".agentao" / "agents"
        directory.mkdir(parents=True)
        (directory / "helper.md").write_text(
            "---\nname: helper\ndescription: helps\nmodel: h\n---\nHelp.", encoding="utf-8"
        )
        self.llm.add(name, "h", replies)

    def close(self) -> None:
        for agent in self.agents:
            agent.close()


REFUND = ToolCall("issue_refund", {"order_id": "o-1", "amount": "1.00"})
"""A call that asks a person first."""


def asked(replies: Sequence[Reply] = ()) -> tuple[Reply, ...]:
    """Script a turn that asks for confirmation once."""
    return (Reply(tools=(REFUND,)), *(replies or (Reply("as you wish"),)))


class CallTool(DemoTool):
    """A tool of a test's own."""

    def __init__(self, name: str, run: Callable[..., str]) -> None:
        super().__init__("get_order")
        self._own_name = name
        self._run = run

    @property
    def name(self) -> str:
        return self._own_name

    def execute(self, **kwargs: Any) -> str:
        return self._run(**kwargs)
