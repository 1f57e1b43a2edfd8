"""What the demo's agents do is what is recorded: types, order, outcomes."""

from __future__ import annotations

import pytest

from headrace.cli.demo.scenarios import SCENARIOS, Scenario
from tests.agentao.recording import Recorder

EACH = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.session)


@EACH
def test_a_session_starts_and_ends_once(played: Recorder, scenario: Scenario) -> None:
    types = played.types(scenario.session)
    assert types[0] == "session_start"
    assert types[-2:] == ["session_end", "headrace.epoch_end"]
    assert types.count("session_start") == types.count("session_end") == 1


@EACH
def test_events_are_numbered_without_a_hole(played: Recorder, scenario: Scenario) -> None:
    events = played.events(session=scenario.session)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert len({event.epoch for event in events}) == 1


@EACH
def test_turns_begin_and_end_in_order(played: Recorder, scenario: Scenario) -> None:
    types = [t for t in played.types(scenario.session) if t in ("turn_begin", "turn_end")]
    assert types == ["turn_begin", "turn_end"] * len(scenario.turns)
    messages = [d["user_message"] for d in played.of("turn_begin", scenario.session)]
    assert messages == [turn.message for turn in scenario.turns]


@EACH
def test_a_streamed_answer_is_recorded_piece_by_piece(played: Recorder, scenario: Scenario) -> None:
    said = [r.text for turn in scenario.turns for r in turn.replies[: turn.max_iterations]]
    pieces = [d["chunk"] for d in played.of("llm_text", scenario.session)]
    assert "".join(pieces) == "".join(said)
    assert len(pieces) > len([text for text in said if text])


@EACH
def test_every_tool_call_is_decided_started_and_completed_in_order(
    played: Recorder, scenario: Scenario
) -> None:
    calls = [d["call_id"] for d in played.of("permission_decision", scenario.session)]
    for call in calls:
        steps = [
            event.type
            for event in played.events(session=scenario.session)
            if event.data.get("call_id") == call
        ]
        without_output = [s for s in steps if s != "tool_output"]
        asked = ["tool_confirmation", "confirmation_resolved"] * ("tool_confirmation" in steps)
        assert without_output == [
            "permission_decision",
            *asked,
            "tool_start",
            "tool_complete",
            "tool_result",
        ]
    replies = [r for turn in scenario.turns for r in turn.replies] + list(scenario.sub_agent)
    wanted = [call.name for reply in replies for call in reply.tools]
    if scenario.session != "going-in-circles":
        assert len(calls) == len(wanted)


@EACH
def test_events_carry_their_session_user_and_agent(played: Recorder, scenario: Scenario) -> None:
    mine = played.events(session=scenario.session)
    bound = {(e.user, e.agent) for e in mine if e.type != "headrace.epoch_end"}
    assert bound == {(scenario.user, scenario.agent)}


@EACH
def test_turns_are_numbered_and_timed(played: Recorder, scenario: Scenario) -> None:
    ends = played.events("turn_end", session=scenario.session)
    assert [end.turn for end in ends] == list(range(1, len(scenario.turns) + 1))
    assert all(end.duration_ms is not None and end.duration_ms > 0 for end in ends)


def test_reasoning_is_recorded(played: Recorder) -> None:
    pieces = [d["text"] for d in played.of("thinking", "monthly-revenue")]
    assert "".join(pieces).startswith("Revenue by month and orders by month.")


def test_parallel_tools_overlap(played: Recorder) -> None:
    steps = [t for t in played.types("where-is-my-kettle") if t in ("tool_start", "tool_complete")]
    assert steps[:3] == ["tool_start"] * 3
    assert len(steps) == 6


def test_a_failing_tool(played: Recorder) -> None:
    done = played.of("tool_complete", "rates-broken")
    assert [d["status"] for d in done] == ["error", "error", "ok"]
    assert "502 Bad Gateway" in done[0]["error"]


def test_a_denied_permission(played: Recorder) -> None:
    (decision,) = played.of("permission_decision", "shell-denied")
    assert decision["tool"] == "run_shell_command"
    assert decision["decision"] == "deny"
    assert decision["reason"] == "user-rule:run_shell_command"
    assert decision["call_id"]
    assert [d["status"] for d in played.of("tool_complete", "shell-denied")] == ["cancelled"]


@pytest.mark.parametrize(
    ("session", "outcome", "status"),
    [
        ("refund-agreed", "allow", "ok"),
        ("refund-refused", "reject", "cancelled"),
        ("refund-unanswered", "timeout", "cancelled"),
    ],
)
def test_what_became_of_a_confirmation(
    played: Recorder, session: str, outcome: str, status: str
) -> None:
    (asked,) = played.of("tool_confirmation", session)
    (resolved,) = played.of("confirmation_resolved", session)
    assert resolved["outcome"] == outcome
    assert resolved["tool"] == asked["tool"] == "issue_refund"
    assert resolved["call_id"] == asked["call_id"]
    assert resolved["args"] == asked["args"]
    assert resolved["wait_ms"] > 0
    by = (None, "timeout") if outcome == "timeout" else ("nora", "callback")
    assert (resolved["answered_by"], resolved["answered_how"]) == by
    assert played.of("tool_complete", session)[-1]["status"] == status


def test_an_overloaded_model_is_asked_again(played: Recorder) -> None:
    (retry,) = played.of("llm_retry", "model-overloaded")
    assert retry["reason"] == "status=503"
    assert [d["status"] for d in played.of("llm_call_completed", "model-overloaded")] == ["ok"] * 2


def test_the_prompt_cache_is_counted(played: Recorder) -> None:
    first, *later = played.of("llm_call_completed", "where-is-my-kettle")
    assert first["cache_read_tokens"] == 0
    assert all(0 < d["cache_read_tokens"] < d["prompt_tokens"] for d in later)


def test_an_agent_that_goes_in_circles_is_stopped(played: Recorder) -> None:
    (end,) = played.of("turn_end", "going-in-circles")
    assert end["incomplete_reason"] == "max_iterations"


def test_a_sub_agent(played: Recorder) -> None:
    (start,) = played.of("agent_start", "ask-the-researcher")
    (end,) = played.of("agent_end", "ask-the-researcher")
    (usage,) = played.of("agent_usage", "ask-the-researcher")
    assert start["agent"] == end["agent"] == usage["agent"] == "researcher"
    assert start["child_task_id"] == end["child_task_id"] == usage["child_task_id"]
    assert usage["prompt_tokens"] > 0


def test_memory_that_is_cleared(played: Recorder) -> None:
    (cleared,) = played.of("memory_cleared", "forget-me")
    assert cleared == {
        "cause": "memory_manager",
        "method": "wipe_all",
        "cleared": {"memories_cleared": 1, "summaries_cleared": 0, "not_cleared": []},
    }


def test_what_a_session_starts_with(played: Recorder) -> None:
    (start,) = played.of("session_start", "forget-me")
    assert start["agent"] == "support"
    assert start["model"] == "gpt-5-mini"
    assert start["working_directory"].endswith("forget-me")
    assert start["permission_mode"] == "workspace-write"
