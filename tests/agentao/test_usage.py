"""The documented ways to record an agent, each right in every thread."""

from __future__ import annotations

import asyncio
import threading

import pytest
from agentao import Agentao
from agentao.transport import SdkTransport

from headrace.cli.demo.llm_server import Reply, ToolCall
from headrace.events.identity import UNBOUND_SESSION
from tests.agentao.recording import CallTool, Recorder, Studio

TOOLS = 8
"""As many as agentao runs at once."""


def busy(studio: Studio, transport: SdkTransport) -> Agentao:
    """Make an agent that uses eight tools at once, in eight threads, twice."""
    together = threading.Barrier(TOOLS)

    def meet(order_id: str) -> str:
        together.wait(timeout=10)
        return order_id

    tools = [CallTool(f"meet_{i}", meet) for i in range(TOOLS)]
    calls = tuple(ToolCall(tool.name, {"order_id": "1"}) for tool in tools)
    script = [Reply(tools=calls), Reply("done")] * 2
    return studio.agent(script, tools=tools, transport=transport)


def complete(recorder: Recorder, session: str) -> bool:
    """Whether one turn with all its tools stands in the session, numbered without a hole."""
    events = recorder.events(session=session)
    return (
        [event.seq for event in events] == list(range(1, len(events) + 1))
        and [d["status"] for d in recorder.of("tool_complete", session)] == ["ok"] * TOOLS
        and recorder.types(session).count("turn_begin") == 1
        and recorder.types(session).count("turn_end") == 1
        and {event.turn for event in events} == {1}
    )


@pytest.mark.parametrize("way", ["chat", "arun"])
def test_a_hook_as_on_event(studio: Studio, recorder: Recorder, way: str) -> None:
    hook = recorder.hook(session="s-1", user="u-1")
    agent = busy(studio, SdkTransport(on_event=hook))
    if way == "chat":
        agent.chat("go")
    else:
        asyncio.run(agent.arun("go"))
    assert complete(recorder, "s-1")
    assert {event.user for event in recorder.events()} == {"u-1"}


def test_the_producer_as_on_event_with_a_bound_context(studio: Studio, recorder: Recorder) -> None:
    agent = busy(studio, SdkTransport(on_event=recorder))
    with recorder.bind(session="s-1", user="u-1"):
        agent.chat("go")
    with recorder.bind(session="s-2", user="u-2"):
        agent.chat("go")
    assert complete(recorder, "s-1")
    assert complete(recorder, "s-2")
    assert {event.session for event in recorder.events()} == {"s-1", "s-2"}


def test_a_web_handler_that_hands_chat_to_a_thread(studio: Studio, recorder: Recorder) -> None:
    """``asyncio.to_thread`` takes the context along."""
    agents = [busy(studio, SdkTransport(on_event=recorder)) for _ in range(3)]

    async def handle(number: int) -> None:
        with recorder.bind(session=f"s-{number}", user="u"):
            await asyncio.to_thread(agents[number].chat, "go")

    async def serve() -> None:
        await asyncio.gather(*map(handle, range(3)))

    asyncio.run(serve())
    assert all(complete(recorder, f"s-{number}") for number in range(3))
    assert {event.session for event in recorder.events()} == {"s-0", "s-1", "s-2"}


def test_what_has_no_session_is_nobody_elses(studio: Studio, recorder: Recorder) -> None:
    """``arun`` does not take the context along: that is what ``attach`` and ``hook`` are for."""
    agent = busy(studio, SdkTransport(on_event=recorder))

    async def handle() -> None:
        with recorder.bind(session="s-1"):
            await agent.arun("go")

    asyncio.run(handle())
    assert recorder.events(session="s-1") == []
    assert complete(recorder, UNBOUND_SESSION)


def test_attach_of_the_producer(studio: Studio, recorder: Recorder) -> None:
    agent = busy(studio, SdkTransport())
    with recorder.attach(agent, user="u-1", confirm_timeout=5.0):
        asyncio.run(agent.arun("go"))
    session = agent._session_id
    assert {event.session for event in recorder.events()} == {session}
    assert recorder.types(session)[0] == "session_start"
    assert recorder.of("headrace.epoch_end", session) == [{"reason": "closed", "dropped": {}}]
