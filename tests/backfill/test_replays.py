"""agentao's own recordings: what a real session's says is what the hook heard of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from agentao.replay.adapter import ReplayAdapter
from agentao.replay.config import ReplayConfig
from agentao.replay.recorder import ReplayRecorder
from agentao.transport import AgentEvent, EventType, NullTransport, SdkTransport

from headrace.cli.backfill.convert import Converter
from headrace.cli.demo.llm_server import Reply, ScriptedLLM, ToolCall
from headrace.events.envelope import Envelope, decode
from headrace.producers.agentao import attach
from tests.agentao.recording import Recorder, Studio, asked

# What agentao's adapter drops of what is emitted: it is shown, not recorded.
_DROPPED = {
    EventType.TURN_START,
    EventType.LLM_RETRY,
    EventType.COMPACTION_STARTED,
    EventType.ASK_USER_REQUESTED,
    EventType.ASK_USER_ANSWERED,
}
_SAID: dict[EventType, dict[str, object]] = {
    EventType.TURN_BEGIN: {"user_message": "hello"},
    EventType.TURN_END: {"final_text": "bye", "status": "ok", "error": None, "tool_count": 1},
    EventType.LLM_TEXT: {"chunk": "a"},
    EventType.THINKING: {"text": "b"},
    EventType.TOOL_START: {"tool": "t", "args": {"x": 1}, "call_id": "c"},
    EventType.TOOL_OUTPUT: {"tool": "t", "chunk": "o", "call_id": "c"},
    EventType.TOOL_COMPLETE: {"tool": "t", "call_id": "c", "status": "ok", "duration_ms": 3},
    EventType.TOOL_RESULT: {"tool": "t", "call_id": "c", "content": "r", "status": "ok"},
    EventType.TOOL_CONFIRMATION: {"tool": "t", "args": {}},
    EventType.AGENT_START: {"agent": "a", "task": "t", "max_turns": 3},
    EventType.AGENT_END: {"agent": "a", "state": "completed", "turns": 1, "tokens": 12},
    EventType.ERROR: {"message": "m", "detail": "d"},
    EventType.LLM_CALL_COMPLETED: {"status": "ok", "prompt_tokens": 7},
}
Both = tuple[list[Envelope], list[Envelope]]

# The hook's own, and what agentao's recorder leaves out.
_NOT_RECORDED = {
    "headrace.epoch_end",
    "session_start",
    "session_end",
    "turn_start",
    "tool_result",
}
# The recorder writes null where the runtime says nothing, and joins streamed reasoning.
_OPTIONAL = {"saved_to_disk", "disk_path", "original_chars", "content_hash"}


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[list[Envelope], list[Envelope]]]:
    """What the hook heard, and what the recording says, of one session."""
    directory = tmp_path_factory.mktemp("replayed")
    recorder = Recorder()
    with ScriptedLLM() as llm:
        studio = Studio(llm, directory)
        order = ToolCall("get_order", {"order_id": "o-1"})
        replies = [Reply(tools=(order,)), Reply("on its\nway"), *asked()]
        agent = studio.agent(
            replies,
            tools=["get_order", "issue_refund"],
            transport=SdkTransport(confirm_tool=lambda *_: True),
            replay_config=ReplayConfig(enabled=True),
        )
        with attach(recorder, agent, session="s-1"):
            path = agent.start_replay("s-1")
            assert path is not None
            agent.chat("Where is my order?")
            agent.chat("I want my money back")
            agent.end_replay()
        studio.close()
    converted = Converter("acme", 900_000).convert(Path(path).read_bytes().splitlines())
    assert not converted.bad
    yield recorder.events(session="s-1"), [decode(line) for line in converted.events]
    recorder.close()


def test_the_same_events_in_the_same_order(
    both: Both,
) -> None:
    heard, recorded = both
    ours = [event.type for event in heard if event.type not in _NOT_RECORDED]
    assert [event.type for event in recorded if event.type not in _NOT_RECORDED] == ours
    assert {"turn_begin", "tool_start", "tool_complete", "llm_text", "turn_end"} <= set(ours)
    assert [event.seq for event in recorded] == list(range(1, len(recorded) + 1))


def test_they_say_the_same(both: Both) -> None:
    heard, recorded = both
    pairs = zip(
        [event for event in heard if event.type not in _NOT_RECORDED],
        [event for event in recorded if event.type not in _NOT_RECORDED],
        strict=True,
    )
    for ours, theirs in pairs:
        assert ours.type == theirs.type
        assert (ours.turn, abs(ours.ts - theirs.ts) < 5) == (theirs.turn, True)
        for name, value in theirs.data.items():
            if (ours.type, name) == ("tool_complete", "duration_ms"):
                continue  # of the wall clock, not of the monotonic one
            if name in ours.data:
                assert value == ours.data[name], (ours.type, name)
            else:
                assert name in _OPTIONAL or value in (None, False, 0), (ours.type, name)


def test_a_recording_begins_and_ends_its_session(
    both: Both,
) -> None:
    _, recorded = both
    assert (recorded[0].type, recorded[0].data["model"]) == ("session_start", "m")
    assert recorded[-1].type == "session_end"
    assert {event.session for event in recorded} == {"s-1"}


def test_every_event_of_the_transport_comes_back_as_it_was(tmp_path: Path) -> None:
    recorder = ReplayRecorder.create("s-1", tmp_path)
    adapter = ReplayAdapter(NullTransport(), recorder)
    emitted = [AgentEvent(kind, dict(_SAID.get(kind, {"word": "x"}))) for kind in EventType]
    order = {EventType.TURN_BEGIN: 0, EventType.TURN_END: 2}
    emitted.sort(key=lambda event: order.get(event.type, 1))
    for event in emitted:
        adapter.emit(event)
    recorder.close()
    done = Converter("acme", 900_000).convert(recorder.path.read_bytes().splitlines())
    recorded = {one.type: one.data for one in map(decode, done.events)}
    assert not done.bad
    assert set(recorded) == {event.type.value for event in emitted if event.type not in _DROPPED}
    for event in emitted:
        for name, value in event.data.items() if event.type in _SAID else ():
            assert recorded[event.type.value][name] == value, (event.type, name)


def test_a_call_that_is_recorded_twice_is_told_once() -> None:
    def line(kind: str, **payload: object) -> bytes:
        about = {"event_id": "e", "session_id": "s", "instance_id": "i", "seq": 1}
        when = {"ts": "2026-05-04T12:00:00.5+00:00", "turn_id": None, "parent_turn_id": None}
        return orjson.dumps(about | when | {"kind": kind, "payload": payload})

    life = {"tool_call_id": "c", "tool_name": "t", "phase": "started", "started_at": "x"}
    told = line("tool_started", tool="t", args={"a": 1}, call_id="c")
    lines = [told, line("tool_lifecycle", **life)]
    (event,) = Converter("acme", 900_000).convert(lines).events
    assert decode(event).data == {"tool": "t", "args": {"a": 1}, "call_id": "c"}
