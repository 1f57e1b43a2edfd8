from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.replay.entries import Entry, Event, duration
from headrace.cli.replay.read import decode_data
from headrace.cli.replay.show import as_json
from headrace.cli.replay.sums import Sums
from headrace.cli.replay.tellers import TELLERS
from headrace.cli.replay.timeline import build
from headrace.cli.text import safe_json
from headrace.streams.metrics.prices import load

EPOCH = "00112233aabbccdd"


def events(*steps: tuple[str, dict[str, Any]], turn: int | None = 1) -> list[Event]:
    return [
        Event(EPOCH, seq, 100.0 + seq / 10, kind, data, turn=turn)
        for seq, (kind, data) in enumerate(steps, start=1)
    ]


def told(*steps: tuple[str, dict[str, Any]]) -> list[Entry]:
    return list(build(events(*steps)))


def test_a_turn_reads_from_the_question_to_the_answer() -> None:
    stream = events(
        ("turn_begin", {"user_message": "how many?"}),
        ("turn_start", {}),
        ("llm_call_started", {"attempt": 1, "model": "gpt-x"}),
        ("llm_text", {"chunk": "There are "}),
        ("llm_text", {"chunk": "four."}),
        (
            "llm_call_completed",
            {
                "status": "ok",
                "duration_ms": 1250,
                "prompt_tokens": 1200,
                "completion_tokens": 8,
                "cache_read_tokens": 1000,
                "finish_reason": "stop",
            },
        ),
    )
    end = Event(
        EPOCH, 7, 102.0, "turn_end", {"status": "ok", "tool_count": 0}, turn=1, duration_ms=1300.0
    )
    assert [(e.kind, e.headline, e.body) for e in build([*stream, end])] == [
        ("turn", "turn 1", None),
        ("user", "user", "how many?"),
        ("text", "assistant", "There are four."),
        ("model", "model gpt-x call, 1.25 s, 1,200 tokens in (1,000 cached), 8 out, stop", None),
        ("turn", "turn 1 ok, 1.30 s", None),
    ]


def test_parallel_tools_are_paired_by_their_call() -> None:
    entries = told(
        ("tool_start", {"tool": "grep", "args": {"q": "x"}, "call_id": "a"}),
        ("tool_start", {"tool": "grep", "args": {"q": "y"}, "call_id": "b"}),
        ("tool_output", {"tool": "grep", "chunk": "out of b", "call_id": "b"}),
        ("tool_complete", {"tool": "grep", "call_id": "b", "status": "ok", "duration_ms": 12}),
        (
            "tool_complete",
            {
                "tool": "grep",
                "call_id": "a",
                "status": "error",
                "duration_ms": 70_000,
                "error": "no",
            },
        ),
        ("tool_result", {"tool": "grep", "call_id": "a", "content": "whole"}),
    )
    assert [(e.headline, e.body, e.tone) for e in entries] == [
        ("tool grep started", "q: x", "quiet"),
        ("tool grep started", "q: y", "quiet"),
        ("tool grep ok, 12 ms", "out of b", "good"),
        ("tool grep error, 1 min 10 s", "no", "bad"),
        ("tool grep result", "whole", "quiet"),
    ]


def test_errors_retries_and_people_are_told() -> None:
    entries = told(
        ("llm_retry", {"retry": 1, "max_retries": 4, "delay_s": 1.5, "reason": "status=503"}),
        (
            "llm_call_completed",
            {"status": "error", "error_class": "APIError", "error_message": "m"},
        ),
        ("permission_decision", {"tool": "sh", "decision": "deny", "reason": "rule"}),
        ("tool_confirmation", {"tool": "sh", "args": {"command": "ls"}}),
        ("confirmation_resolved", {"tool": "sh", "outcome": "timeout", "wait_ms": 2_000}),
        ("confirmation_resolved", {"tool": "sh", "outcome": "allow", "answered_by": "u-2"}),
        ("error", {"message": "boom", "detail": "long"}),
        ("turn_end", {"status": "ok", "incomplete_reason": "max_iterations", "tool_count": 2}),
        ("memory_cleared", {}),
        ("headrace.dropped", {"reason": "spool_full", "count": 3, "first_seq": 1, "last_seq": 3}),
        ("headrace.epoch_end", {"reason": "closed"}),
    )
    assert [(e.kind, e.headline, e.tone) for e in entries] == [
        ("model", "model call retried, attempt 1 of 4 in 1.5 s because status=503", "bad"),
        ("model", "model call, APIError", "bad"),
        ("permission", "tool sh permission: deny (rule)", "bad"),
        ("ask", "tool sh needs confirmation", "plain"),
        ("ask", "tool sh confirmation: timeout after 2.00 s", "bad"),
        ("ask", "tool sh confirmation: allow by u-2", "good"),
        ("error", "boom", "bad"),
        ("turn", "turn 1 ok, incomplete: max_iterations, 2 tools", "bad"),
        ("memory", "memory cleared", "quiet"),
        ("lost", "3 events were dropped at the source: spool_full", "bad"),
        ("note", "recording end", "quiet"),
    ]


def test_what_a_sub_agent_does_stands_deeper() -> None:
    entries = told(
        ("agent_start", {"agent": "finder", "task": "look", "child_task_id": "c"}),
        ("llm_text", {"chunk": "mine", "child_task_id": "c"}),
        ("llm_text", {"chunk": "the parent's"}),
        ("agent_end", {"agent": "finder", "state": "completed", "turns": 3, "duration_ms": 5}),
    )
    assert [(e.headline, e.body, e.depth) for e in entries] == [
        ("sub-agent finder started", "look", 1),
        ("assistant", "mine", 2),
        ("assistant", "the parent's", 1),
        ("sub-agent finder completed, 3 turns, 5 ms", None, 1),
    ]


def test_numbers_that_lack_are_told_where_they_lack() -> None:
    stream = events(
        ("llm_text", {"chunk": "a"}), ("llm_text", {"chunk": "b"}), ("x", {}), ("y", {})
    )
    del stream[1]
    assert [(e.kind, e.headline) for e in build(stream)] == [
        ("text", "assistant"),
        ("lost", f"1 not in the archive: 2..2 of {EPOCH}"),
        ("note", "x"),
        ("note", "y"),
    ]


def test_what_was_under_way_at_the_end_is_told() -> None:
    entries = told(
        ("llm_call_started", {"model": "m"}), ("tool_start", {"tool": "sleep", "call_id": "a"})
    )
    assert [e.headline for e in entries[-2:]] == [
        "model m call, not finished",
        "tool sleep, not finished",
    ]


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.sampled_from([10**400, -(10**400), float("inf")])
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [
        *("user_message", "status", "error", "tool", "args", "call_id", "chunk", "text", "content"),
        *("duration_ms", "wait_ms", "outcome", "decision", "reason", "agent", "task", "state"),
        *("turns", "tokens", "model", "prompt_tokens", "completion_tokens", "cache_read_tokens"),
        *("retry", "max_retries", "delay_s", "tool_count", "child_task_id", "message", "detail"),
    ]
)
HOSTILE = st.lists(
    st.tuples(
        st.sampled_from([*TELLERS, "llm_text", "thinking", "unheard_of"]),
        st.dictionaries(KEYS, ANYTHING, max_size=6),
    ),
    max_size=12,
)


@given(HOSTILE)
def test_no_data_of_an_agent_breaks_the_timeline(steps: list[tuple[str, dict[str, Any]]]) -> None:
    sums = Sums(load(None))
    for entry in sums.watch(build(events(*steps, turn=None))):
        assert isinstance(entry.headline, str)
        assert entry.headline
        assert entry.body is None or isinstance(entry.body, str)
        assert safe_json(as_json(entry, 0.0)).isprintable()
    assert safe_json(sums.as_json()).isprintable()


@pytest.mark.parametrize("huge", ["1e400", "-1e400", "1" + "0" * 400, "1e300"])
def test_numbers_that_nobody_reckons_with_are_told(huge: str) -> None:
    names = ("duration_ms", "wait_ms", "tool_count", "prompt_tokens", "completion_tokens")
    data = decode_data(orjson.dumps(dict.fromkeys(names, "huge")).decode().replace('"huge"', huge))
    sums = Sums(load(None))
    entries = list(sums.watch(build(events(*((kind, data) for kind in TELLERS)))))
    assert len(entries) >= len(TELLERS) - 8
    assert sums.as_json()["tokens_in"] == 0


@pytest.mark.parametrize("depth", [100, 300, 1000, 1020, 2000])
@pytest.mark.parametrize("kind", ["tool_start", "tool_result", "llm_retry", "unheard_of"])
def test_data_that_is_nested_deep_is_told(kind: str, depth: int) -> None:
    deep = f'{{"args":{"[" * depth}1{"]" * depth},"content":{"[" * depth}1{"]" * depth}}}'
    for entry in told((kind, decode_data(deep))):
        assert safe_json(as_json(entry, 0.0)).isprintable()
    assert safe_json(orjson.loads(deep) if depth < 1024 else deep)


@given(st.lists(st.text(min_size=1), min_size=1))
def test_streamed_text_is_joined_whole(chunks: list[str]) -> None:
    (entry,) = told(*(("llm_text", {"chunk": chunk}) for chunk in chunks))
    assert entry.body == "".join(chunks)


@pytest.mark.parametrize("ms", [1e300, -1e300, float("inf"), float("-inf"), float("nan"), 1e18])
def test_a_duration_beyond_reckoning_is_short(ms: float) -> None:
    assert len(duration(ms)) <= 25


def test_durations_read_well() -> None:
    assert [duration(ms) for ms in (0.4, 999, 1000, 59_990, 61_000)] == [
        "0 ms",
        "999 ms",
        "1.00 s",
        "59.99 s",
        "1 min 1 s",
    ]
