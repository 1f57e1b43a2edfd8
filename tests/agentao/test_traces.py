"""The spans of what the demo's agents did."""

from __future__ import annotations

from typing import Any

import pytest
from agentao.agents.bg_store import BackgroundTaskStore

from headrace.cli.demo.llm_server import Reply, ToolCall
from headrace.cli.demo.scenarios import SCENARIOS
from headrace.producers.agentao import attach
from tests.agentao.recording import Recorder, Studio
from tests.support import wait_until_sync
from tests.traces.making import lines_of, spans_of, tree

GOLDEN = {
    "ask-the-researcher": [
        "invoke_agent coder",
        "  chat gpt-5-codex +first_token",
        "  execute_tool agent_researcher +permission",
        "    invoke_agent researcher",
        "      execute_tool read_file +permission",
        "  chat gpt-5-codex +first_token",
    ],
    "refund-agreed": [
        "invoke_agent support",
        "  chat gpt-5-mini",
        "  execute_tool get_order +permission",
        "  chat gpt-5-mini +first_token",
        "  execute_tool issue_refund +permission +confirmation.asked +confirmation.resolved",
        "  chat gpt-5-mini +first_token",
    ],
    "model-overloaded": [
        "invoke_agent analyst",
        "  chat claude-sonnet-4-5 +llm.retry",
        "  execute_tool run_sql +permission",
        "  chat claude-sonnet-4-5 +first_token",
    ],
    "rates-broken": [
        "invoke_agent analyst",
        "  chat claude-sonnet-4-5",
        "  execute_tool fetch_rates Error: failed +permission",
        "  chat claude-sonnet-4-5 +first_token",
        "  execute_tool fetch_rates Error: failed +permission",
        "  chat claude-sonnet-4-5",
        "  execute_tool cached_rates +permission",
        "  chat claude-sonnet-4-5 +first_token",
    ],
    "going-in-circles": [
        "invoke_agent analyst Error: max_iterations",
        *["  chat claude-sonnet-4-5 +first_token", "  execute_tool run_sql +permission"] * 3,
    ],
}


def spans(played: Recorder, session: str | None = None) -> list[dict[str, Any]]:
    return spans_of(lines_of(played.events(session=session)))


@pytest.mark.parametrize("session", GOLDEN)
def test_the_spans_of_a_session(played: Recorder, session: str) -> None:
    assert tree(spans(played, session)) == GOLDEN[session]


def test_nothing_is_closed_without_its_end(played: Recorder) -> None:
    rows = spans(played)
    turns = sum(len(scenario.turns) for scenario in SCENARIOS)
    assert sum(not row["ParentSpanId"] for row in rows) == turns
    assert "abandoned" not in repr(rows)
    calls = len(played.of("llm_call_completed")) + len(played.of("tool_complete"))
    assert len(rows) == turns + calls + len(played.of("agent_end"))


def test_a_sub_agents_tokens_are_on_its_span(played: Recorder) -> None:
    (usage,) = played.of("agent_usage", "ask-the-researcher")
    rows = spans(played, "ask-the-researcher")
    (sub,) = [row for row in rows if row["SpanName"] == "invoke_agent researcher"]
    assert sub["SpanAttributes"]["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]


def test_children_lie_within_their_parents(played: Recorder) -> None:
    rows = spans(played)
    ids = {row["SpanId"]: row for row in rows}
    for row in rows:
        parent = ids[row["ParentSpanId"] or row["SpanId"]]
        assert parent["Timestamp"] <= row["Timestamp"]
        end = row["Timestamp"] + row["Duration"]
        assert end <= parent["Timestamp"] + parent["Duration"]


def test_a_sub_agent_in_the_background(studio: Studio, recorder: Recorder) -> None:
    look = ToolCall("list_directory", {"directory_path": "."})
    studio.helper([Reply(tools=(look,)), Reply("ok")])
    call = ToolCall("agent_helper", {"task": "help", "run_in_background": True})
    script = [Reply(tools=(call,)), Reply("started")]
    agent = studio.agent(script, bg_store=BackgroundTaskStore())
    with attach(recorder, agent, session="s"):
        agent.chat("go")
        wait_until_sync(lambda: recorder.of("agent_usage"))
    told = [line.partition(" +")[0] for line in tree(spans(recorder, "s"))]
    at = told.index("  execute_tool agent_helper")
    assert told[at + 1 : at + 3] == ["    invoke_agent helper", "      execute_tool list_directory"]
    assert sorted(told) == sorted(
        [
            *["invoke_agent agentao", "  chat m", "  chat m", "  execute_tool agent_helper"],
            *["    invoke_agent helper", "      execute_tool list_directory"],
        ]
    )
