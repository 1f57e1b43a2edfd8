"""What spans come of a session's events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import (
    error_attributes,
    gen_ai_attributes,
    session_attributes,
    user_attributes,
)

from headrace.events.settings import Settings
from headrace.streams.traces import ids, semconv
from headrace.streams.traces.partition import Bounds, Partition
from headrace.streams.traces.span import MOST_EVENTS
from tests.traces.making import NOW, Session, records, spans_of, tree, turn

SECRET = "hunter2 swordfish"


def attributes(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (row,) = [row for row in rows if row["SpanName"] == name]
    found: dict[str, Any] = row["SpanAttributes"]
    return found


def test_a_turn() -> None:
    rows = spans_of(turn(Session()))
    assert tree(rows) == [
        "invoke_agent main",
        "  chat claude-x +first_token",
        "  execute_tool grep +permission",
    ]
    root = next(row for row in rows if not row["ParentSpanId"])
    assert {row["TraceId"] for row in rows} == {ids.trace_id("acme", "s", "0123456789abcdef", 1)}
    assert root["SpanId"] == ids.span_id("acme", "s", "0123456789abcdef", 1)
    assert root["Duration"] == 10 * 100_000_000
    assert root["Timestamp"] == 1_764_000_000_100_000_000
    assert (root["ServiceName"], root["ScopeVersion"]) == ("main", semconv.SEMCONV_VERSION)
    assert (root["tenant"], root["session"], root["user"]) == ("acme", "s", "u")
    chat = attributes(rows, "chat claude-x")
    assert chat["gen_ai.provider.name"] == "anthropic"
    assert chat["gen_ai.usage.input_tokens"] == 7
    assert chat["gen_ai.response.finish_reasons"] == ["stop"]
    assert chat["gen_ai.response.time_to_first_chunk"] == 0.05
    assert (chat["session.id"], chat["user.id"], chat["headrace.tenant"]) == ("s", "u", "acme")


def test_every_name_is_the_conventions_or_ours() -> None:
    known = {
        value
        for module in (gen_ai_attributes, error_attributes, session_attributes, user_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    names = [*semconv.ATTRIBUTES, *semconv.EVENTS]
    assert [n for n in names if n not in known and not n.startswith("headrace.")] == []
    assert {semconv.INVOKE_AGENT, semconv.CHAT, semconv.EXECUTE_TOOL} <= {
        one.value for one in gen_ai_attributes.GenAiOperationNameValues
    }
    providers = {one.value for one in gen_ai_attributes.GenAiProviderNameValues}
    models = ("gpt-5", "claude-x", "models/gemini-3", "deepseek-r9", "mistral-big", "grok-9", "")
    assert {semconv.provider(model) for model in models} <= providers


def test_the_applications_own_trace_goes_on() -> None:
    session = Session()
    called = f"00-{'a' * 32}-{'b' * 16}-01"
    lines = [session.event("turn_begin", trace=called), session.event("turn_end", {})]
    (row,) = spans_of(lines)
    assert (row["TraceId"], row["ParentSpanId"]) == ("a" * 32, "b" * 16)


@pytest.mark.parametrize(
    "wrong",
    ["", "x", f"00-{'0' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'0' * 16}-01", "00-AA-bb-01"],
)
def test_what_is_no_traceparent_is_none(wrong: str) -> None:
    assert ids.caller(wrong) is None


def test_parallel_tools_and_calls_that_fail() -> None:
    s = Session()
    lines = [s.event("turn_begin"), *s.call(1, status="error", error_class="RateLimitError")]
    lines += [s.event("tool_start", {"tool": f"t{call}", "call_id": call}) for call in "ab"]
    for call in "ab":
        end = {"status": "error" if call == "a" else "cancelled", "error": SECRET}
        lines.append(s.event("tool_complete", {"tool": f"t{call}", "call_id": call, **end}))
    lines.append(s.event("turn_end", {"status": "ok", "incomplete_reason": "max_iterations"}))
    rows = spans_of(lines)
    assert tree(rows) == [
        "invoke_agent main Error: max_iterations",
        "  chat claude-x Error: RateLimitError +first_token",
        "  execute_tool ta Error: failed",
        "  execute_tool tb",
    ]
    assert attributes(rows, "execute_tool tb")["headrace.status"] == "cancelled"
    assert attributes(rows, "invoke_agent main")["error.type"] == "max_iterations"


def test_what_happens_to_a_turn() -> None:
    s = Session()
    settled = {"status": "success", "trigger": "auto", "kind": "full", "pre_tokens_history": 9}
    lines = [
        s.event("turn_begin"),
        s.event("compaction_settled", settled),
        s.event("error", {"message": SECRET}),
        s.event("headrace.dropped", {"reason": "overflow", "count": 3}),
        s.event("turn_end", {"status": "error", "error": SECRET}),
    ]
    (row,) = spans_of(lines)
    assert row["Events.Name"] == ["headrace.compaction", "headrace.error", "headrace.dropped"]
    assert row["Events.Attributes"][0]["headrace.compaction.tokens_before"] == 9
    assert (row["StatusCode"], row["StatusMessage"]) == ("Error", "error")


def test_sub_agents_side_by_side() -> None:
    s = Session()
    lines = [s.event("turn_begin")]
    for n in "12":
        lines.append(s.event("tool_start", {"tool": "agent_helper", "call_id": f"c{n}"}))
        lines.append(s.event("agent_start", {"agent": "helper", "child_task_id": f"t{n}"}))
    for n in "12":
        about = {"tool": f"[helper 1/5] look{n}", "call_id": "same", "child_task_id": f"t{n}"}
        lines.append(s.event("tool_start", about))
    for n in "12":
        about = {"tool": f"look{n}", "call_id": "same", "child_task_id": f"t{n}", "status": "ok"}
        lines.append(s.event("tool_complete", about))
    for n in "12":
        lines.append(s.event("agent_end", {"child_task_id": f"t{n}", "state": "completed"}))
        lines.append(s.event("agent_usage", {"child_task_id": f"t{n}", "prompt_tokens": 3}))
        lines.append(s.event("tool_complete", {"call_id": f"c{n}", "status": "ok"}))
    lines.append(s.event("turn_end", {}))
    branch = ["  execute_tool agent_helper", "    invoke_agent helper"]
    assert tree(spans_of(lines)) == [
        "invoke_agent main",
        *branch,
        "      execute_tool look1",
        *branch,
        "      execute_tool look2",
    ]


def test_a_sub_agent_in_the_background_outlives_its_turn() -> None:
    s = Session()
    bg = {"background": True, "child_session_id": "cs"}
    about = {"agent": "helper", "child_task_id": "t", **bg}
    lines = [
        s.event("turn_begin"),
        s.event("tool_start", {"tool": "agent_helper", "call_id": "c"}),
        s.event("agent_start", {**about, "call_id": "c"}),
        s.event("tool_complete", {"call_id": "c", "status": "ok"}),
        s.event("tool_start", {"tool": "look", "call_id": "d", **bg}),
        s.event("turn_end", {}),
        s.event("turn_begin"),
        s.event("tool_complete", {"tool": "look", "call_id": "d", "status": "ok", **bg}),
        s.event("turn_end", {}),
        s.event("agent_end", {**about, "state": "completed"}),
        s.event("agent_usage", {**about, "prompt_tokens": 3}),
    ]
    rows = spans_of(lines)
    assert tree(rows) == [
        "invoke_agent main",
        "  execute_tool agent_helper",
        "    invoke_agent helper",
        "      execute_tool look",
        "invoke_agent main",
    ]
    assert attributes(rows, "invoke_agent helper")["gen_ai.usage.input_tokens"] == 3
    assert len({row["TraceId"] for row in rows}) == 2


def test_a_confirmation_without_a_call_id() -> None:
    s = Session()
    asked = {"tool": "pay", "call_id": "c"}
    lines = [
        s.event("turn_begin"),
        s.event("tool_confirmation", asked),
        s.event("confirmation_resolved", {"tool": "pay", "outcome": "reject", "wait_ms": 9.5}),
        s.event("tool_complete", {**asked, "status": "cancelled"}),
        s.event("turn_end", {}),
    ]
    rows = spans_of(lines)
    assert tree(rows)[1] == "  execute_tool pay +confirmation.asked +confirmation.resolved"
    assert attributes(rows, "execute_tool pay")["headrace.tool.confirmation.wait_ms"] == 9.5


def test_a_clock_that_was_set_back_does_not_turn_time_round() -> None:
    s = Session()
    lines = [s.event("turn_begin")]
    s.ts -= 3600
    lines += [*s.tool("c", duration_ms=4000.0), s.event("turn_end", {}, duration_ms=5000.0)]
    rows = spans_of(lines)
    root, tool = (next(r for r in rows if r["SpanName"].startswith(n)) for n in ("in", "ex"))
    assert root["Duration"] == 5_000_000_000
    assert tool["Duration"] == 4_000_000_000
    assert tool["Timestamp"] >= root["Timestamp"]


def test_what_is_under_way_is_bounded() -> None:
    s = Session()
    lines = [s.event("turn_begin"), *(s.event("error", {}) for _ in range(200))]
    lines += [s.event("tool_start", {"tool": "t", "call_id": f"c{n}"}) for n in range(400)]
    rows = spans_of([*lines, s.event("turn_end", {})])
    assert len(rows) == 401
    left = [row["SpanAttributes"].get("headrace.abandoned") for row in rows]
    assert (left.count("forgotten"), left.count("parent_end")) == (145, 255)
    root = rows[-1]
    assert len(root["Events.Name"]) == MOST_EVENTS
    assert root["SpanAttributes"]["headrace.span.dropped_events"] == 200 - MOST_EVENTS


def test_sub_agents_within_sub_agents_without_end_are_bounded() -> None:
    s = Session()
    lines = [s.event("turn_begin")]
    for n in range(200):
        of = {"child_task_id": f"k{n - 1}"} if n else {}
        lines.append(s.event("tool_start", {"tool": "agent_h", "call_id": f"c{n}", **of}))
        lines.append(s.event("agent_start", {"agent": "h", "child_task_id": f"k{n}"}))
    rows = spans_of([*lines, s.event("turn_end", {})])
    assert len({row["SpanId"] for row in rows}) == len(rows) == 401


def talkative() -> list[bytes]:
    """A session with a secret in every text of it."""
    s = Session()
    tool, sub = {"tool": "t", "call_id": "c"}, {"agent": "h", "child_task_id": "k"}
    asked = [{"role": "user", "content": SECRET}]
    return [
        s.event("turn_begin", {"user_message": SECRET}),
        s.event("llm_call_started", {"attempt": 1, "model": "m", "system_prompt": SECRET}),
        s.event("llm_call_delta", {"attempt": 1, "added_messages": asked}),
        s.event("llm_call_io", {"messages": asked}),
        s.event("thinking", {"text": SECRET}),
        s.event("llm_text", {"chunk": SECRET}),
        s.event("llm_retry", {"retry": 1, "reason": SECRET}),
        s.event(
            "llm_call_completed",
            {"attempt": 1, "status": "error", "error_class": SECRET, "error_message": SECRET}
            | {"finish_reason": SECRET},
        ),
        s.event("permission_decision", tool | {"decision": SECRET, "reason": SECRET}),
        s.event("tool_confirmation", tool | {"args": {"q": SECRET}}),
        s.event("confirmation_resolved", tool | {"outcome": SECRET, "answered_how": SECRET}),
        s.event("tool_start", tool | {"args": {"q": SECRET}}),
        s.event("agent_start", sub | {"task": SECRET}),
        s.event("agent_end", sub | {"state": "failed", "error": SECRET}),
        s.event("tool_output", tool | {"chunk": SECRET}),
        s.event("tool_complete", tool | {"status": "error", "error": SECRET}),
        s.event("tool_result", tool | {"content": SECRET}),
        s.event("compaction_settled", {"status": SECRET, "reason": SECRET, "detail": SECRET}),
        s.event("error", {"message": SECRET, "detail": SECRET}),
        s.event("turn_end", {"status": "error", "error": SECRET, "final_text": SECRET}),
        s.event("session_summary_written", {"summary": SECRET}),
    ]


def test_no_text_stands_in_a_span_unless_that_is_asked_for() -> None:
    rows = spans_of(talkative())
    assert len(rows) == 4
    assert "swordfish" not in repr(rows)


def test_content_stands_where_the_conventions_have_it() -> None:
    rows = spans_of(talkative(), captured=True)
    assert len(rows) == 4
    root, call = attributes(rows, "invoke_agent main"), attributes(rows, "chat m")
    tool, sub = attributes(rows, "execute_tool t"), attributes(rows, "invoke_agent h")
    said = f'"parts":[{{"type":"text","content":"{SECRET}"}}]'
    for about in (root["gen_ai.input.messages"], call["gen_ai.input.messages"]):
        assert about == f'[{{"role":"user",{said}}}]'
    assert said in root["gen_ai.output.messages"]
    assert said in call["gen_ai.output.messages"]
    assert said in sub["gen_ai.input.messages"]
    assert tool["gen_ai.tool.call.arguments"] == f'{{"q":"{SECRET}"}}'
    assert tool["gen_ai.tool.call.result"] == SECRET
    assert {row["StatusMessage"] for row in rows} == {SECRET}


def test_content_is_bounded() -> None:
    s = Session()
    tool = {"tool": "t", "call_id": "c"}
    lines = [
        s.event("turn_begin", {"user_message": "é" * 100_000}),
        s.event("llm_call_started", {"attempt": 1, "model": "m" * 5000}),
        *(s.event("llm_text", {"chunk": "x" * 1000}) for _ in range(100)),
        s.event("llm_call_completed", {"attempt": 1}),
        s.event("tool_start", tool | {"args": {"q": "x" * 200_000}}),
        s.event("tool_complete", tool),
        s.event("tool_result", tool | {"content": "\0" * 200_000}),
        s.event("turn_end", {"final_text": "x" * 100_000}),
    ]
    rows = spans_of(lines, captured=True)
    assert len(rows) == 3
    assert all(len(repr(row)) < 100_000 for row in rows)


def test_content_that_is_nested_too_deep_is_left_out() -> None:
    deep: Any = "x"
    for _ in range(600):
        deep = [deep]
    s = Session()
    tool = {"tool": "t", "call_id": "c"}
    lines = [
        s.event("turn_begin", {"user_message": deep}),
        s.event("tool_start", tool | {"args": deep}),
        s.event("agent_start", {"agent": deep, "child_task_id": "k"}),
        s.event("agent_end", {"child_task_id": "k"}),
        s.event("tool_complete", tool),
        s.event("tool_result", tool | {"content": "x"}),
        s.event("turn_end", {"final_text": "x"}),
    ]
    rows = spans_of(lines, captured=True)
    assert attributes(rows, "execute_tool t")["gen_ai.tool.call.arguments"] == "_OTHER"
    assert len(rows) == 3


def test_a_span_with_all_that_it_may_hold_fits_into_a_record() -> None:
    s = Session()
    long = "\1" * 100_000
    asked = [{"role": "user", "content": long}]
    tool = {"tool": long, "call_id": "c"}
    lines = [
        s.event("turn_begin", {"user_message": long}),
        s.event("llm_call_started", {"attempt": 1, "model": long}),
        s.event("llm_call_delta", {"attempt": 1, "added_messages": asked}),
        *(s.event("llm_text", {"chunk": long}) for _ in range(3)),
        *(s.event("llm_retry", {"retry": 1, "reason": long}) for _ in range(100)),
        s.event("llm_call_completed", {"attempt": 1, "status": "error", "error_message": long}),
        *(
            s.event("permission_decision", tool | {"decision": "ask", "reason": long})
            for _ in range(100)
        ),
        s.event("tool_start", tool | {"args": {"q": long}}),
        s.event("tool_complete", tool | {"status": "error", "error": long}),
        s.event("tool_result", tool | {"content": long}),
        *(s.event("error", {"message": long}) for _ in range(100)),
        s.event("turn_end", {"status": "error", "error": long, "final_text": long}),
    ]
    made = Partition(Bounds(), captured=True).take(records(lines), NOW)
    assert len(made) == 3
    assert max(len(one.value) for one in made) < Settings(state_dir=Path()).max_event_bytes


def test_every_attribute_is_in_the_table() -> None:
    rows = [*spans_of(talkative(), captured=True), *spans_of(turn(Session()))]
    found = {name for row in rows for name in row["SpanAttributes"]}
    assert found <= set(semconv.ATTRIBUTES)
    assert {name for row in rows for name in row["Events.Name"]} <= set(semconv.EVENTS)
