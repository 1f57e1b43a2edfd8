"""Every named query: what it answers on events whose answer is known, and on real sessions."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.cli.query.library import Choice, every, named
from headrace.events.metrics import METRICS, PANE_SECONDS
from headrace.sinks.connection import connect
from headrace.streams.alerts.records import PaneRecord
from tests.cli.alerting import alert
from tests.cli.archived import insert_panes, insert_transitions
from tests.cli.conftest import Cli, Stack, insert, line
from tests.support import unique

SAMPLE = Path(__file__).parents[2] / "benchmarks" / "data" / "events.jsonl.gz"
HOUR = 3600
DAY = 24 * HOUR
NAMES = [one.name for one in every()]


class Story:
    """Two sessions of one tenant, an hour ago: everything that a query asks about happens."""

    def __init__(self, tenant: str, now: float) -> None:
        self.tenant = tenant
        self.at = now - now % HOUR - HOUR
        self.lines: list[bytes] = []
        self._seq: dict[str, int] = {}

    def say(
        self, session: str, kind: str, turn: int, data: dict[str, Any], user: str, **more: Any
    ) -> None:
        seq = self._seq[session] = self._seq.get(session, 0) + 1
        ts = self.at + len(self.lines)
        self.lines.append(
            line(self.tenant, session, seq, kind, data, turn=turn, user=user, ts=ts, **more)
        )

    def tool(self, session: str, turn: int, call: str, name: str, ms: int, **more: Any) -> None:
        user = "u-" + session
        args = more.pop("args", {"q": 1})
        self.say(session, "tool_start", turn, {"tool": name, "call_id": call, "args": args}, user)
        data = {"tool": name, "call_id": call, "status": "ok", "duration_ms": ms, "error": None}
        self.say(session, "tool_complete", turn, data | more, user)

    def model(self, session: str, turn: int, prompt: int, cached: int, **more: Any) -> None:
        user = "u-" + session
        self.say(session, "llm_call_started", turn, {"model": "m-1"}, user)
        for reason in more.pop("retries", ()):
            self.say(session, "llm_retry", turn, {"reason": reason}, user)
        data = {
            "status": "ok",
            "duration_ms": 400,
            "first_token_ms": 100,
            "prompt_tokens": prompt,
            "completion_tokens": 10,
            "cache_read_tokens": cached,
        }
        self.say(session, "llm_call_completed", turn, data | more, user)


def told(tenant: str, now: float) -> Story:
    story = Story(tenant, now)
    say, tool, model = story.say, story.tool, story.model
    say("a", "turn_begin", 1, {"user_message": "count them"}, "u-a")
    model("a", 1, 1000, 0, retries=("status=503", "status=503"))
    for number in range(3):
        tool("a", 1, f"c-{number}", "grep", 50, args={"pattern": "x"})
    say("a", "turn_end", 1, {"status": "ok", "final_text": "3"}, "u-a", duration_ms=2000.0)
    say("a", "turn_begin", 2, {"user_message": "again"}, "u-a")
    model("a", 2, 3000, 1000)
    ended = {"status": "ok", "incomplete_reason": "max_iterations"}
    say("a", "turn_end", 2, ended, "u-a", duration_ms=1000.0)
    say("b", "turn_begin", 1, {"user_message": "pay"}, "u-b")
    model("b", 1, 500, 0, status="error", error_class="Timeout", error_message="slow")
    say(
        "b", "permission_decision", 1, {"tool": "rm", "decision": "deny", "reason": "rule 1"}, "u-b"
    )
    asked = {"tool": "pay", "call_id": "p-1", "args": {}}
    say("b", "tool_confirmation", 1, asked, "u-b")
    answered = {"tool": "pay", "outcome": "allow", "wait_ms": 4000}
    say("b", "confirmation_resolved", 1, answered, "u-b")
    tool("b", 1, "p-1", "pay", 900, status="error", error="no money")
    result = {"tool": "pay", "original_chars": 5000, "saved_to_disk": True}
    say("b", "tool_result", 1, result, "u-b")
    sub_agent = {"agent": "researcher", "state": "failed", "duration_ms": 70, "tokens": 30}
    say("b", "agent_end", 1, sub_agent | {"tool_calls": 2}, "u-b")
    dropped = {"reason": "spool_full", "first_seq": 3, "last_seq": 9, "count": 7}
    say("b", "headrace.dropped", 1, dropped, "u-b")
    return story


def pane(
    tenant: str, metric: str, start: float, value: float, labels: tuple[str, ...]
) -> PaneRecord:
    assert metric in METRICS
    return PaneRecord(
        tenant=tenant,
        metric=metric,
        labels=labels,
        start=int(start) // PANE_SECONDS * PANE_SECONDS,
        source=("log", 0, 1),
        count=1,
        sum=value,
        offset=2,
    )


ONE = {"sessions": 1}
EXPECTED: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "slowest-tools": lambda: [
        {"tool": "pay", "calls": 1, "p50_ms": 900, "p95_ms": 900, "max_ms": 900, "total_s": 0.9},
        {"tool": "grep", "calls": 3, "p50_ms": 50, "p95_ms": 50, "max_ms": 50, "total_s": 0.15},
    ],
    "failing-tools": lambda: [
        {"tool": "pay", "calls": 1, "failed": 1, "failure_rate": 1, "latest_error": "no money"}
    ],
    "cost-by-model": lambda: [
        {"model": "m-1", "usd": 0.5, "calls": 3, "prompt_tokens": 4500, "cached_tokens": 0}
    ],
    "cost-by-day": lambda: [{"usd": 0.5}],
    "hungriest-sessions": lambda: [
        {"session": "a", "by_user": "u-a", "llm_calls": 2, "prompt": 4000, "cached": 1000}
        | {"completion": 20, "largest_prompt": 3000},
        {"session": "b", "by_user": "u-b", "llm_calls": 1, "prompt": 500, "completion": 10},
    ],
    "max-iterations": lambda: [{"session": "a", "by_user": "u-a", "turns": 1}],
    "cache-hit-rate": lambda: [{"llm_calls": 3, "prompt": 4500, "cached": 1000, "hit_rate": 0.222}],
    "llm-errors": lambda: [
        {"model": "m-1", "error_class": "Timeout", "calls": 1, "latest_error": "slow"} | ONE
    ],
    "errors-by-type": lambda: [
        {"what": "model request tried again", "which": "status=503", "times": 2} | ONE,
        {"what": "model call failed", "which": "Timeout", "times": 1} | ONE,
        {"what": "permission denied", "which": "rm", "times": 1} | ONE,
        {"what": "tool failed", "which": "pay", "times": 1} | ONE,
        {"what": "turn failed", "which": "max_iterations", "times": 1} | ONE,
    ],
    "longest-turns": lambda: [
        # Of a turn without an end, the time between its first and its last event.
        {"session": "b", "turn": 1, "seconds": 10, "ended_with": "open", "message": "pay"},
        {"session": "a", "turn": 1, "seconds": 2, "ended_with": "ok", "tool_calls": 3},
        {"session": "a", "turn": 2, "seconds": 1, "ended_with": "max_iterations"},
    ],
    "turn-latency": lambda: [{"turns": 2, "p50_ms": 1500, "p95_ms": 1950, "max_ms": 2000}],
    "first-token-latency": lambda: [
        {"model": "m-1", "llm_calls": 3, "p50_ms": 100, "p99_ms": 100, "whole_p95_ms": 400}
    ],
    "call-loops": lambda: [
        {"session": "a", "turn": 1, "tool": "grep", "times": 3, "failed": 0}
        | {"arguments": '{"pattern":"x"}'}
    ],
    "token-growth": lambda: [
        {"session": "a", "turns": 2, "first_prompt": 1000, "last_prompt": 3000}
        | {"growth_per_turn": 2000}
    ],
    "approval-rates": lambda: [
        {"tool": "pay", "asked": 1, "allowed": 1, "rejected": 0, "timed_out": 0, "unanswered": 0}
        | {"approval_rate": 1, "p50_wait_s": 4}
    ],
    "denied-permissions": lambda: [{"tool": "rm", "reason": "rule 1", "denied": 1} | ONE],
    "retries": lambda: [{"model": "m-1", "why": "status=503", "times": 2} | ONE],
    "open-turns": lambda: [
        {"session": "b", "turn": 1, "user": "u-b", "llm_calls": 1, "tool_calls": 1}
    ],
    "busiest-users": lambda: [
        {"user": "u-a", "sessions": 1, "turns": 2, "tool_calls": 3, "prompt": 4000},
        {"user": "u-b", "sessions": 1, "turns": 0, "tool_calls": 1, "prompt": 500},
    ],
    "where-time-goes": lambda: [
        {"turns": 2, "turn_s": 3, "model_s": 1.2, "tool_s": 1.05, "asking_s": 4}
        | {"model_share": 0.4, "tool_share": 0.35, "asking_share": 1.333}
    ],
    "largest-results": lambda: [
        {"tool": "pay", "results": 1, "characters": 5000, "largest": 5000, "cut_to_disk": 1}
    ],
    "sub-agents": lambda: [
        {"sub_agent": "researcher", "runs": 1, "not_completed": 1, "p95_ms": 70, "tokens": 30}
    ],
    "lost-events": lambda: [{"reason": "spool_full", "events": 7} | ONE],
    "alerts-fired": lambda: [{"fired": 1}],
}


@pytest.fixture(scope="module")
def tenant(stack: Stack) -> str:
    """A tenant whose story is archived, each event twice, beside an old one and another's."""
    name, now = unique(), time.time()
    story = told(name, now)
    old = told(name, now - 30 * DAY)
    insert(stack, story.lines)
    insert(stack, story.lines)
    insert(stack, [one.replace(b'"session":"', b'"session":"old-') for one in old.lines])
    insert(stack, told(unique(), now).lines)
    insert_panes(
        stack,
        [
            pane(name, "agent.llm.cost", story.at, 0.5, ("m-1",)),
            pane(name, "agent.llm.calls", story.at, 3, ("m-1", "ok")),
            pane(name, "agent.llm.tokens.prompt", story.at, 4500, ("m-1",)),
            pane(name, "agent.llm.cost", story.at - 30 * DAY, 9, ("m-1",)),
        ],
    )
    insert_transitions(stack, [alert(name, unique(), "firing", at=story.at, starts_at=story.at)])
    return name


def test_each_query_has_an_answer_that_is_known() -> None:
    assert sorted(EXPECTED) == NAMES
    assert len(NAMES) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_a_query_answers_its_question(name: str, tenant: str, on_stack: Cli) -> None:
    ran = on_stack("query", "run", name, "--tenant", tenant, "--json")
    assert ran.code == 0, ran.err
    expected = EXPECTED[name]()
    assert len(ran.objects) == len(expected), ran.objects
    for row, known in zip(ran.objects, expected, strict=True):
        assert {key: row[key] for key in known} == known
        assert row["tenant"] == tenant


@pytest.mark.parametrize("name", NAMES)
def test_a_query_as_it_stands_in_its_file_runs_anywhere(
    name: str, stack: Stack, tenant: str
) -> None:
    client = connect(stack.settings.need_clickhouse())
    try:
        found = client.query(named(name).text)
        assert tenant in set(found.result_columns[found.column_names.index("tenant")])
    finally:
        client.close()


def test_queries_answer_on_real_sessions(stack: Stack, on_stack: Cli) -> None:
    tenant = unique()
    lines = [orjson.loads(one) for one in gzip.decompress(SAMPLE.read_bytes()).splitlines()]
    seqs: dict[str, int] = {}
    for place, one in enumerate(lines):
        seq = seqs[one["session"]] = seqs.get(one["session"], 0) + 1
        one |= {"tenant": tenant, "ts": time.time() - HOUR + place / 100, "seq": seq}
        one["epoch"] = f"{len(seqs):016x}"
    insert(stack, [orjson.dumps(one) for one in lines])
    answered = {
        name: on_stack("query", "run", name, "--tenant", tenant, "--since", "30d", "--json").objects
        for name in NAMES
    }
    tools = {row["tool"]: row for row in answered["slowest-tools"]}
    completed = [one["data"] for one in lines if one["type"] == "tool_complete"]
    assert {name: row["calls"] for name, row in tools.items()} == {
        name: sum(one["tool"] == name for one in completed)
        for name in {one["tool"] for one in completed}
    }
    prompts = sum(
        one["data"]["prompt_tokens"] for one in lines if one["type"] == "llm_call_completed"
    )
    assert sum(row["prompt"] for row in answered["hungriest-sessions"]) == prompts
    assert [row["why"] for row in answered["retries"]] == ["status=503"]
    assert [row["sub_agent"] for row in answered["sub-agents"]] == ["researcher"]


def test_since_until_and_limit(tenant: str, on_stack: Cli) -> None:
    def rows(*args: str) -> int:
        return len(
            on_stack("query", "run", "slowest-tools", "--tenant", tenant, "--json", *args).objects
        )

    assert rows("--since", "60d", "--until", "20d") == 2
    assert rows("--since", "60d", "--until", "40d") == 0
    assert rows("--limit", "1") == 1


def test_a_table_begins_with_its_question(tenant: str, on_stack: Cli) -> None:
    out = on_stack("query", "run", "slowest-tools", "--tenant", tenant).out
    assert out.startswith("Which tools are slow?\n")
    assert "pay" in out
    none = on_stack("query", "run", "slowest-tools", "--tenant", unique()).out
    assert none.splitlines()[-1].startswith("nothing in that time")


def test_what_is_shown_is_what_runs(tenant: str, stack: Stack, cli: Cli, on_stack: Cli) -> None:
    shown = cli("query", "show", "slowest-tools", "--tenant", tenant, "--since", "60d").out
    ran = on_stack("query", "run", "slowest-tools", "--tenant", tenant, "--json")
    client = connect(stack.settings.need_clickhouse())
    try:
        rows = client.query(shown).named_results()
        assert [row["calls"] for row in rows] == [2, 6]
    finally:
        client.close()
    assert [row["calls"] for row in ran.objects] == [1, 3]


def test_a_wrong_name_says_what_is_near(on_stack: Cli) -> None:
    ran = on_stack("query", "run", "slowest-tool")
    assert ran.code == 2
    assert "no query 'slowest-tool': did you mean slowest-tools" in ran.err
    assert "see `headrace query list`" in on_stack("query", "run", "xyz").err


def test_the_list(cli: Cli) -> None:
    ran = cli("query", "list", "--json")
    assert [row["name"] for row in ran.objects] == NAMES
    assert all(row["question"].endswith("?") for row in ran.objects)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)
    | st.sampled_from(["'", "\\", "x' OR 1=1 --", "{a:String}", "%s", "\\'", "é'\n"])
)
def test_no_tenant_breaks_out_of_its_quotes(stack: Stack, hostile: str) -> None:
    text = named("slowest-tools").sql(Choice(tenant=hostile))
    client = connect(stack.settings.need_clickhouse())
    try:
        found = client.query(f"SELECT only_tenant FROM ({_heads(text)})").result_rows
    finally:
        client.close()
    assert found == [(hostile,)]


def _heads(text: str) -> str:
    return text[text.index("WITH") : text.index("SELECT")] + "SELECT only_tenant"


def test_names_need_no_quoting() -> None:
    assert all(name.replace("-", "").isalpha() and name.islower() for name in NAMES)
