"""Attaching: right in every thread, nested, with replay; gone without a trace; never felt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from agentao.agents.bg_store import BackgroundTaskStore
from agentao.cancellation import CancellationToken
from agentao.replay import ReplayConfig
from agentao.runtime.turn import TurnInProgressError
from agentao.transport import AgentEvent, EventType, NullTransport, SdkTransport
from opentelemetry.sdk.trace import TracerProvider

from headrace.cli.demo.llm_server import Reply, ToolCall
from headrace.producers import traceparent
from headrace.producers.agentao import attach
from tests.agentao.recording import CallTool, Recorder, Studio
from tests.support import wait_until, wait_until_sync


class CoreOnly:
    """A transport without ``subscribe``, as agentao allows."""

    def __init__(self) -> None:
        self.seen: list[AgentEvent] = []

    def emit(self, event: AgentEvent) -> None:
        self.seen.append(event)

    def confirm_tool(self, tool_name: str, description: str, args: dict[str, Any]) -> bool:
        return True

    def ask_user(self, question: str, **hints: Any) -> str:
        return ""

    def on_max_iterations(self, count: int, messages: list[Any]) -> dict[str, Any]:
        return {"action": "stop"}


def state_of(agent: Any) -> dict[str, Any]:
    """Everything that attaching touches."""
    transport = agent.transport
    broadcast = getattr(transport, "_broadcast", None)
    return {
        "transport": transport,
        "runner": agent.tool_runner._transport,
        "executor": agent.tool_runner._executor._transport,
        "attributes": dict(vars(transport)),
        "listeners": list(broadcast._listeners) if broadcast else None,
        "observers": list(agent._host_events._observers),
        "memory": dict(vars(agent.memory_manager)),
        "calls": vars(agent).get("arun"),
        "children": list(vars(agent._subagent_relay)),
    }


@pytest.mark.parametrize("transport", [SdkTransport, NullTransport, CoreOnly])
def test_detaching_restores_exactly_what_was_there(
    studio: Studio, recorder: Recorder, transport: Any
) -> None:
    agent = studio.agent(transport=transport())
    before = state_of(agent)
    with attach(recorder, agent):
        assert state_of(agent) != before
    assert state_of(agent) == before


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("same", [True, False])
def test_nested_attachments_leave_no_trace_in_any_order(
    studio: Studio, recorder: Recorder, order: tuple[int, int], same: bool
) -> None:
    agent = studio.agent()
    other = recorder if same else Recorder()
    before = state_of(agent)
    attachments = [attach(producer, agent, confirm_timeout=1.0) for producer in (recorder, other)]
    for attachment in attachments:
        attachment.__enter__()
    for place in order:
        attachments[place].__exit__(None, None, None)
    assert state_of(agent) == before


def test_a_callback_set_on_the_transport_itself_is_put_back(
    studio: Studio, recorder: Recorder
) -> None:
    transport = SdkTransport()

    def own(tool_name: str, description: str, args: dict[str, Any]) -> bool:
        return False

    transport.confirm_tool = own  # type: ignore[method-assign]
    with attach(recorder, studio.agent(transport=transport)):
        assert transport.confirm_tool("t", "", {}) is False
    assert transport.confirm_tool is own


def test_a_transport_without_subscribe_is_recorded(studio: Studio, recorder: Recorder) -> None:
    transport = CoreOnly()
    agent = studio.agent(transport=transport)
    with attach(recorder, agent, session="s"):
        agent.chat("hi")
    own = [t for t in recorder.types("s") if not t.startswith(("session_", "headrace."))]
    assert own == [event.type.value for event in transport.seen]


def test_everything_is_recorded_around_arun(studio: Studio, recorder: Recorder) -> None:
    transport = SdkTransport()
    agent = studio.agent([Reply("hello there")], transport=transport)
    threads: set[str] = set()
    transport.subscribe(lambda _: threads.add(threading.current_thread().name))

    async def run() -> str:
        with attach(recorder, agent, session="s", user="u"):
            return await agent.arun("hi")

    assert asyncio.run(run()) == "hello there"
    assert "".join(d["chunk"] for d in recorder.of("llm_text", "s")) == "hello there"
    assert threads
    assert all(name.startswith("agentao-arun") for name in threads)


def test_eight_tools_at_once_are_recorded_in_their_session(
    studio: Studio, recorder: Recorder
) -> None:
    together = threading.Barrier(8)
    threads: set[str] = set()

    def meet(order_id: str) -> str:
        threads.add(threading.current_thread().name)
        together.wait(timeout=10)
        return order_id

    tools = [CallTool(f"meet_{i}", meet) for i in range(8)]
    calls = tuple(ToolCall(tool.name, {"order_id": "1"}) for tool in tools)
    agent = studio.agent([Reply(tools=calls), Reply("done")], tools=tools)
    with attach(recorder, agent, session="s"):
        agent.chat("go")
    done = recorder.of("tool_complete")
    assert [d["status"] for d in done] == ["ok"] * 8
    assert len(threads) == len({d["call_id"] for d in done}) == 8
    events = recorder.events()
    assert {event.session for event in events} == {"s"}
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize("starts", ["before", "within"])
def test_replay_changes_nothing(
    studio: Studio, recorder: Recorder, starts: str, tmp_path: Path
) -> None:
    """agentao's replay puts itself in front of the transport, at any time."""
    call = Reply(tools=(ToolCall("issue_refund", {"order_id": "1", "amount": "1"}),))
    replies = [call, Reply("one"), call, Reply("two")]
    agent = studio.agent(replies, tools=["issue_refund"], replay_config=ReplayConfig(enabled=True))
    before = state_of(agent)
    if starts == "before":
        assert agent.start_replay() is not None
    with attach(recorder, agent, session="s"):
        if starts == "within":
            assert agent.start_replay() is not None
        agent.chat("first")
        agent.end_replay()
        agent.chat("second")
    assert recorder.types("s").count("turn_begin") == recorder.types("s").count("turn_end") == 2
    assert recorder.types("s").count("tool_complete") == 2
    assert [d["outcome"] for d in recorder.of("confirmation_resolved", "s")] == ["allow"] * 2
    assert state_of(agent) == before


def test_the_session_is_agentaos_own_and_followed_where_it_changes(
    studio: Studio, recorder: Recorder
) -> None:
    agent = studio.agent([Reply("one"), Reply("two")])
    first = agent._session_id
    with attach(recorder, agent) as attachment:
        agent.chat("one")
        agent._session_id = "resumed"
        agent.chat("two")
        assert attachment.session == "resumed"
    assert recorder.types(first)[-2:] == ["session_end", "headrace.epoch_end"]
    assert recorder.of("session_end", first) == [
        {"reason": "session_changed", "next_session": "resumed"}
    ]
    assert recorder.types("resumed")[0] == "session_start"
    assert recorder.of("session_start", "resumed")[0]["previous_session"] == first
    assert recorder.of("turn_begin", first) == [{"user_message": "one"}]
    assert recorder.of("turn_begin", "resumed") == [{"user_message": "two"}]


def test_a_given_session_stays(studio: Studio, recorder: Recorder) -> None:
    agent = studio.agent()
    with attach(recorder, agent, session="mine"):
        agent._session_id = "another"
        agent.chat("hi")
    assert {event.session for event in recorder.events()} == {"mine"}


def test_the_innermost_attachment_of_one_producer_records(
    studio: Studio, recorder: Recorder
) -> None:
    agent = studio.agent([Reply("one"), Reply("two"), Reply("three")])
    with attach(recorder, agent, session="s", user="outer"):
        agent.chat("one")
        with attach(recorder, agent, session="s", user="inner"):
            agent.chat("two")
        agent.chat("three")
    begun = [(e.data["user_message"], e.user) for e in recorder.events("turn_begin")]
    assert begun == [("one", "outer"), ("two", "inner"), ("three", "outer")]
    assert recorder.types().count("session_start") == recorder.types().count("session_end") == 1


def test_attachments_of_different_producers_both_record(studio: Studio) -> None:
    agent = studio.agent()
    with closing(Recorder()) as one, closing(Recorder()) as other:
        _both(agent, one, other)


def _both(agent: Any, one: Recorder, other: Recorder) -> None:
    with attach(one, agent, session="a"), attach(other, agent, session="b"):
        agent.chat("hi")
    assert one.types("a") == other.types("b")
    assert one.types("b") == other.types("a") == []


@pytest.mark.parametrize(
    ("error", "data"),
    [
        (ValueError("no"), {"reason": "error", "error": "ValueError"}),
        (KeyboardInterrupt(), {"reason": "cancelled", "error": "KeyboardInterrupt"}),
    ],
)
def test_a_session_that_ends_in_an_error_says_so(
    studio: Studio, recorder: Recorder, error: BaseException, data: dict[str, Any]
) -> None:
    agent = studio.agent()
    with pytest.raises(type(error)), attach(recorder, agent, session="s"):
        raise error
    assert recorder.of("session_end", "s") == [data]


class BrokenHook:
    """Worse than any of ours: it raises."""

    def __call__(self, event: Any) -> None:
        raise RuntimeError("the hook is broken")

    def emit(self, type: str, data: dict[str, Any]) -> None:  # noqa: A002 - as in the protocol
        raise RuntimeError("the hook is broken")

    def end(self, reason: str = "closed") -> None:
        raise RuntimeError("the hook is broken")


class BrokenProducer:
    def hook(self, session: str | None = None, **binding: Any) -> BrokenHook:
        return BrokenHook()


def test_errors_inside_the_hook_never_reach_the_agent(studio: Studio) -> None:
    calls = (ToolCall("issue_refund", {"order_id": "1", "amount": "2"}),)
    for transport in (SdkTransport(), CoreOnly()):
        agent = studio.agent(
            [Reply(tools=calls), Reply("fine")], tools=["issue_refund"], transport=transport
        )
        before = state_of(agent)
        with attach(BrokenProducer(), agent, confirm_timeout=5.0):
            assert agent.chat("go") == "fine"
            agent.memory_manager.clear()
        assert agent.last_turn is not None
        assert agent.last_turn.status == "ok"
        assert state_of(agent) == before


def test_what_cannot_be_listened_to_is_left_out_and_the_rest_recorded(
    studio: Studio, recorder: Recorder
) -> None:
    class Odd(SdkTransport):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "confirm_tool":
                raise AttributeError(name)
            super().__setattr__(name, value)

    agent = studio.agent(transport=Odd())
    with attach(recorder, agent, session="s"):
        agent.chat("hi")
    assert "turn_end" in recorder.types("s")


def test_clearing_memory_is_recorded_whatever_the_method_and_however_it_ends(
    studio: Studio, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = studio.agent()
    manager = agent.memory_manager
    manager.save_from_tool("name", "Eva", [])
    with attach(recorder, agent, session="s"):
        assert manager.clear(scope="project") == 1
        assert manager.clear_all_session_summaries() == 0
        monkeypatch.setattr(manager.project_store, "clear_memories", _broken)
        with pytest.raises(OSError, match="disk"):
            manager.clear("project")
    cause = {"cause": "memory_manager"}
    assert recorder.of("memory_cleared", "s") == [
        cause | {"method": "clear", "scope": "project", "cleared": 1},
        cause | {"method": "clear_all_session_summaries", "cleared": 0},
        cause | {"method": "clear", "scope": "project", "error": "OSError"},
    ]


def _broken(**_: Any) -> int:
    raise OSError("disk")


def test_a_memory_manager_given_later_is_followed(studio: Studio, recorder: Recorder) -> None:
    agent, other = studio.agent([Reply("one")]), studio.agent()
    old = agent.memory_manager
    with attach(recorder, agent, session="s"):
        agent.memory_manager = other.memory_manager
        agent.chat("hi")
        agent.memory_manager.clear()
        old.clear()
    assert len(recorder.of("memory_cleared", "s")) == 1
    assert "clear" not in vars(old)
    assert "clear" not in vars(other.memory_manager)


def test_events_of_the_hosts_own_pass(studio: Studio, recorder: Recorder) -> None:
    agent = studio.agent()
    with attach(recorder, agent, session="s"):
        agent.transport.emit(AgentEvent(EventType.ERROR, {"message": "from the host"}))
    assert recorder.of("error", "s") == [{"message": "from the host"}]


@pytest.mark.parametrize("relay", [True, False])
def test_a_sub_agent_in_the_background_is_told_whole(
    studio: Studio, recorder: Recorder, relay: bool
) -> None:
    """Whether or not agentao relays its host events."""
    look = ToolCall("list_directory", {"directory_path": "."})
    studio.helper([Reply(tools=(look,)), Reply("ok")])
    call = ToolCall("agent_helper", {"task": "help", "run_in_background": True})
    agent = studio.agent(
        [Reply(tools=(call,)), Reply("started")],
        bg_store=BackgroundTaskStore(),
        relay_subagent_events=relay,
    )
    with attach(recorder, agent, session="s"):
        agent.chat("go")
        wait_until_sync(lambda: recorder.of("agent_usage"))
    (start,) = recorder.of("agent_start")
    (end,) = recorder.of("agent_end")
    (usage,) = recorder.of("agent_usage")
    assert start["background"]
    assert start["call_id"] == recorder.of("tool_start")[0]["call_id"]
    assert start["agent"] == end["agent"] == "helper"
    assert end["state"] == "completed"
    assert end["duration_ms"] >= 0
    assert usage["prompt_tokens"] > 0
    child = start["child_session_id"]
    own = [e for e in recorder.events() if e.data.get("child_session_id") == child]
    steps = ["permission_decision", "tool_start", "tool_complete", "tool_result"]
    called = [e for e in own if e.type in steps]
    assert [e.type for e in called] == steps
    assert [e.data.get("background", False) for e in called] == [False, True, True, True]
    assert {e.data["tool"] for e in called} == {"list_directory"}
    assert called[1].data["args"] == look.arguments
    assert called[2].data["status"] == "ok"


@pytest.mark.parametrize("relay", [True, False])
def test_a_sub_agents_decisions_and_results_are_recorded_once(
    studio: Studio, recorder: Recorder, relay: bool
) -> None:
    look = ToolCall("list_directory", {"directory_path": "."})
    studio.helper([Reply(tools=(look,)), Reply("ok")])
    call = ToolCall("agent_helper", {"task": "help"})
    agent = studio.agent([Reply(tools=(call,)), Reply("done")], relay_subagent_events=relay)
    with attach(recorder, agent, session="s"):
        agent.chat("go")
    steps = ("permission_decision", "tool_start", "tool_complete", "tool_result")
    own = [e for e in recorder.events(*steps) if e.data["tool"].endswith("list_directory")]
    assert tuple(e.type for e in own) == steps
    assert len({e.data["call_id"] for e in own}) == 1


def test_an_agentao_that_starts_sub_agents_in_another_way_is_not_disturbed(
    studio: Studio, recorder: Recorder
) -> None:
    agent = studio.agent()
    with attach(recorder, agent, session="s"):
        assert agent._subagent_relay.attach(object(), child_session_id=None) is None


TRACER = TracerProvider().get_tracer("tests")


def turns_of(recorder: Recorder) -> list[tuple[str | None, ...]]:
    """The traces of each turn's events, each once."""
    turns: dict[int, dict[str | None, None]] = {}
    for event in recorder.events():
        if event.turn is not None:
            turns.setdefault(event.turn, {})[event.trace] = None
    return [tuple(traces) for traces in turns.values()]


async def test_each_call_continues_its_callers_trace(studio: Studio, recorder: Recorder) -> None:
    call = Reply(tools=(ToolCall("look", {}),))
    agent = studio.agent(
        [call, Reply("one"), Reply("two"), Reply("three"), call, Reply("four")],
        tools=[CallTool("look", lambda **_: "seen")],
    )
    spans: list[str | None] = []
    with attach(recorder, agent):
        asks: list[Callable[[], Awaitable[str]]] = [
            lambda: asyncio.to_thread(agent.chat, "one"),
            lambda: agent.arun("two", cancellation_token=CancellationToken()),
            lambda: agent.arun("three", 5, None),
            lambda: agent.arun("four"),
        ]
        for ask in asks:
            with TRACER.start_as_current_span("user_chat"):
                spans.append(traceparent.current())
                await ask()
    assert len(set(spans)) == 4
    assert turns_of(recorder) == [(span,) for span in spans]


async def test_a_call_without_a_span_is_in_no_trace(studio: Studio, recorder: Recorder) -> None:
    agent = studio.agent([Reply("one"), Reply("two"), Reply("three")])
    with attach(recorder, agent):
        with TRACER.start_as_current_span("user_chat"):
            mine = traceparent.current()
            turn = agent.arun("one")  # the trace is taken at the call, not where it is awaited
        await turn
        await agent.arun("two")
        await asyncio.to_thread(agent.chat, "three")
    assert turns_of(recorder) == [(mine,), (None,), (None,)]


async def test_a_given_trace_is_that_of_every_turn(studio: Studio, recorder: Recorder) -> None:
    agent = studio.agent([Reply("one")])
    with attach(recorder, agent, trace="00-given"), TRACER.start_as_current_span("user_chat"):
        await agent.arun("one")
    assert turns_of(recorder) == [("00-given",)]


async def test_calls_that_come_to_nothing_are_as_they_were(
    studio: Studio, recorder: Recorder
) -> None:
    go_on = threading.Event()
    agent = studio.agent(
        [Reply(tools=(ToolCall("wait", {}),)), Reply("one")],
        tools=[CallTool("wait", lambda **_: str(go_on.wait(30)))],
    )
    token: Any = CancellationToken()
    with attach(recorder, agent), TRACER.start_as_current_span("user_chat"):
        never_begun = asyncio.create_task(agent.arun("none"))
        never_begun.cancel()
        with pytest.raises(asyncio.CancelledError):
            await never_begun
        wrong: Any = {"no_such": "argument"}
        with pytest.raises(TypeError):
            await agent.arun("none", **wrong)
        # A second turn is refused while one runs; both calls have the same token.
        first = asyncio.create_task(agent.arun("one", cancellation_token=token))
        await wait_until(lambda: "tool_start" in recorder.types(), what="the tool runs")
        with pytest.raises(TurnInProgressError):
            await agent.arun("one", cancellation_token=token)
        go_on.set()
        assert await first == "one"
    assert len(turns_of(recorder)) == 1
