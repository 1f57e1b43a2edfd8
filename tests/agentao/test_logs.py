"""agentao's own log lines, with the session whose turn they are of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from agentao.transport import SdkTransport

from headrace.cli.demo.llm_server import Reply, ToolCall
from headrace.events.envelope import Envelope
from headrace.producers import LogHandler
from tests.agentao.recording import CallTool, Studio
from tests.hook.conftest import Unshipped, spooled

LOOKS = Reply(tools=tuple(ToolCall(name, {}) for name in ("look_one", "look_two")))
"""Two tools at once, each in a thread of its own."""


@pytest.fixture
def producer(tmp_path: Path) -> Iterator[Unshipped]:
    producer = Unshipped("nowhere:0", tenant="acme", spool_dir=tmp_path / "spool")
    handler = LogHandler(producer)
    logger = logging.getLogger("agentao")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield producer
    logger.removeHandler(handler)
    logger.setLevel(before)
    producer.close(timeout=0)


def logged(tmp_path: Path) -> list[Envelope]:
    return [one for one in spooled(tmp_path / "spool") if one.type == "log"]


def look() -> str:
    logging.getLogger("agentao.tools.look").info("looking")
    return "seen"


TOOLS = [CallTool(name, look) for name in ("look_one", "look_two")]


def test_lines_of_a_hooks_turn(studio: Studio, producer: Unshipped, tmp_path: Path) -> None:
    hook = producer.hook("s-1", user="ann")
    transport = SdkTransport(on_event=hook)
    agent = studio.agent([LOOKS, Reply("hello")], tools=TOOLS, transport=transport)
    agent.chat("hi")
    found = logged(tmp_path)
    of_tools = [one for one in found if one.data["logger"] == "agentao.tools.look"]
    assert [(one.session, one.user) for one in of_tools] == [("s-1", "ann")] * 2
    assert "MainThread" not in {one.data["thread"] for one in of_tools}
    llm = {one.session for one in found if one.data["logger"] == "agentao.llm"}
    assert "s-1" in llm
    assert {one.session for one in found} <= {"s-1", "unbound"}


async def test_attached_agents_in_pools_keep_apart(
    studio: Studio, producer: Unshipped, tmp_path: Path
) -> None:
    agents = [studio.agent([LOOKS, Reply("hello")], tools=TOOLS) for _ in range(3)]

    async def run(number: int) -> None:
        with producer.attach(agents[number], user=f"u-{number}", session=f"s-{number}"):
            await agents[number].arun("hi")

    await asyncio.gather(*(run(number) for number in range(3)))
    of_tools = [one for one in logged(tmp_path) if one.data["logger"] == "agentao.tools.look"]
    wanted = [(f"s-{number}", f"u-{number}") for number in range(3) for _ in range(2)]
    assert sorted((one.session, one.user or "") for one in of_tools) == wanted
    logging.getLogger("agentao").info("after all")
    (last,) = [one for one in logged(tmp_path) if one.data["message"] == "after all"]
    assert last.session == "unbound"


def test_the_seeds_own_way(producer: Unshipped, tmp_path: Path) -> None:
    """An ``on_event`` that logs each event with the essential fields."""
    logger = logging.getLogger("agentao.app")

    def on_event(event: SimpleNamespace) -> None:
        logger.info(
            "agent_event",
            extra={
                "event_type": event.type,
                "session_id": "s-7",
                "tenant_id": "acme",
                "user_id": "ann",
                **event.data,
            },
        )

    on_event(SimpleNamespace(type="tool_complete", data={"tool": "search", "status": "ok"}))
    (one,) = logged(tmp_path)
    assert (one.tenant, one.session, one.user) == ("acme", "s-7", "ann")
    assert one.data["extra"] == {"event_type": "tool_complete", "tool": "search", "status": "ok"}
