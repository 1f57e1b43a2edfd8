from __future__ import annotations

import time
from datetime import datetime

from tests.cli.conftest import Cli, Stack, insert, line
from tests.support import unique


def test_the_latest_sessions_with_what_they_did(on_stack: Cli, stack: Stack) -> None:
    tenant, now = unique(), float(int(time.time()))
    old = {"ts": now - 7_200, "user": "u-0"}
    insert(
        stack,
        [
            line(tenant, "old", 1, "x", {}, **old),
            line(tenant, "new", 1, "turn_begin", {}, ts=now - 60, turn=1, user="u-1"),
            line(tenant, "new", 2, "tool_complete", {"status": "error"}, ts=now - 59, turn=1),
            line(
                tenant,
                "new",
                3,
                "llm_call_completed",
                {"status": "ok", "prompt_tokens": 1200, "completion_tokens": 30},
                ts=now - 57.5,
                turn=1,
            ),
        ],
    )
    new, older = on_stack("sessions", "--tenant", tenant, "--json").objects
    assert (new["session"], older["session"]) == ("new", "old")
    assert datetime.fromisoformat(new["started_at"]).timestamp() == now - 60
    assert {key: new[key] for key in new if key not in {"tenant", "session", "started_at"}} == {
        "user": "u-1",
        "duration_ms": 2500.0,
        "turns": 1,
        "tool_calls": 1,
        "prompt_tokens": 1200,
        "completion_tokens": 30,
        "errors": 1,
    }
    for since, found in (("1h", 1), ("2023-11-03", 2), ("2100-01-01T00:00Z", 0)):
        ran = on_stack("sessions", "--tenant", tenant, "--since", since, "--json")
        assert len(ran.objects) == found
    assert len(on_stack("sessions", "--tenant", tenant, "--limit", "1", "--json").objects) == 1
    table = on_stack("sessions", "--tenant", tenant).out
    assert "1,200" in table
    assert "2.50 s" in table


def test_no_sessions_say_what_to_do(on_stack: Cli) -> None:
    ran = on_stack("sessions", "--tenant", unique())
    assert ran.code == 0
    assert "headrace status" in ran.out
