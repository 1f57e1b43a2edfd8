"""The seed's table of evidence, row by row: what a real agent does, and what the policy keeps.

Each case plays an agent and holds everything that the policy selects against what it should: type,
what it says, class, days. What is selected beyond that fails, too.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from agentao.permissions import PermissionEngine
from agentao.transport import SdkTransport

from headrace.cli.demo.llm_server import Reply, ToolCall
from headrace.events import types
from headrace.producers import answered_by
from headrace.producers.agentao import attach
from headrace.streams.audit.policy import Policy, load, loads
from tests.agentao.recording import REFUND, CallTool, Recorder, Studio

SHIPPED = load()
SESSION = ("session_start", "session", 365)
ASKED = ("permission_decision", "permission", 90)
DENIED = ASKED
ANSWERED = ("confirmation_resolved", "approval", 365)
CALLED = tuple((t, "business", 2557) for t in ("tool_start", "tool_complete", "tool_result"))
LOOKED = Reply(tools=(ToolCall("get_order", {"order_id": "o-1"}),))
REFUNDED = Reply(tools=(REFUND,))
UPDATED = Reply(tools=(ToolCall("update_ticket", {"ticket": "t-1", "state": "closed"}),))
WROTE = Reply(tools=(ToolCall("write_file", {"file_path": "t-1.txt", "content": "closed"}),))
HELPED = Reply(tools=(ToolCall("agent_helper", {"task": "help"}),))

ALLOWS = loads(
    SHIPPED.text.replace('decision = ["deny", "prompt"]', 'decision = ["allow", "deny", "prompt"]')
)
"""A policy that asks for what rules allow, too."""

WRITES = loads(SHIPPED.text.replace('"create_*",', '"create_*", "write_file",'))
"""A policy to which files are business data."""


@dataclass(frozen=True)
class Row:
    """One row of the table, or one way that it can go."""

    name: str
    kept: tuple[tuple[str, str, int | None], ...]
    """Type, class and days of all that is selected, in order, after the session's start."""
    says: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By type: what stands in the data of the first one."""
    replies: tuple[Reply, ...] = ()
    answer: Callable[..., bool] | None = None
    timeout: float | None = None
    rules: tuple[dict[str, str], ...] = ()
    helper: tuple[Reply, ...] = ()
    """What the model of a sub-agent says."""
    then: Callable[[Any], object] = lambda _: None
    policy: Policy = SHIPPED


def told(answer: bool) -> Callable[..., bool]:
    def callback(*_: Any) -> bool:
        answered_by("u-2")
        return answer

    return callback


def silent(*_: Any) -> bool:
    return threading.Event().wait(2.0)


def resolved(outcome: str, who: str | None, how: str) -> dict[str, dict[str, Any]]:
    said = {"outcome": outcome, "answered_by": who, "answered_how": how, "tool": "issue_refund"}
    args = {"order_id": "o-1", "amount": "1.00"}
    return {"confirmation_resolved": said | {"args": args}}


ROWS = [
    Row("user starts a session", (), {"session_start": {"agent": "agentao", "model": "m"}}),
    Row(
        "user approves dangerous tool",
        (ASKED, ANSWERED, *CALLED),
        resolved("allow", "u-2", "callback"),
        (REFUNDED,),
        told(True),
    ),
    Row(
        "user rejects dangerous tool",
        (ASKED, ANSWERED, *CALLED),
        resolved("reject", "u-2", "callback"),
        (REFUNDED,),
        told(False),
    ),
    Row(
        "nobody answers about dangerous tool",
        (ASKED, ANSWERED, *CALLED),
        resolved("timeout", None, "timeout"),
        (REFUNDED,),
        silent,
        timeout=0.05,
    ),
    Row(
        "permission rule denied",
        (DENIED,),
        {
            "permission_decision": {
                "tool": "get_order",
                "decision": "deny",
                "matched_rule": {"tool": "get_order", "action": "deny"},
            }
        },
        (LOOKED,),
        rules=({"tool": "get_order", "action": "deny"},),
    ),
    Row(
        "permission rule allowed",
        (),
        replies=(LOOKED,),
        rules=({"tool": "get_order", "action": "allow"},),
    ),
    Row(
        "permission rule allowed, and the policy asks for it",
        (ASKED,),
        {"permission_decision": {"tool": "get_order", "decision": "allow"}},
        (LOOKED,),
        rules=({"tool": "get_order", "action": "allow"},),
        policy=ALLOWS,
    ),
    Row(
        "agent modified user data",
        (("permission_decision", "business", 2557), *CALLED),
        {
            "permission_decision": {"decision": "allow"},
            "tool_start": {"tool": "update_ticket", "args": {"ticket": "t-1", "state": "closed"}},
            "tool_complete": {"status": "ok"},
            "tool_result": {
                "content": "t-1 is closed",
                "content_hash": hashlib.sha256(b"t-1 is closed").hexdigest(),
            },
        },
        (UPDATED,),
        rules=({"tool": "update_ticket", "action": "allow"},),
    ),
    Row(
        "agent modified user data, by a sub-agent",
        (("permission_decision", "business", 2557), *CALLED),
        {
            "tool_start": {
                "tool": "[helper 1/15] write_file",
                "args": {"file_path": "t-1.txt", "content": "closed"},
            },
            "tool_complete": {"tool": "write_file", "status": "ok"},
            "tool_result": {"tool": "write_file", "status": "ok"},
        },
        (HELPED,),
        helper=(WROTE, Reply("closed")),
        policy=WRITES,
    ),
    Row(
        "permission rule denied, of a sub-agent",
        (DENIED,),
        {"permission_decision": {"tool": "write_file", "decision": "deny"}},
        (HELPED,),
        rules=({"tool": "write_file", "action": "deny"},),
        helper=(WROTE, Reply("not allowed")),
    ),
    Row(
        'user requests "forget me"',
        (("memory_cleared", "erasure", None),),
        {"memory_cleared": {"cause": "memory_manager", "method": "wipe_all"}},
        then=lambda agent: agent.memory_manager.wipe_all(),
    ),
    Row(
        'user requests "forget me", in one scope',
        (("memory_cleared", "erasure", None),),
        {"memory_cleared": {"method": "clear", "scope": "project", "cleared": 1}},
        then=lambda agent: agent.memory_manager.clear("project"),
    ),
]


def played(row: Row, studio: Studio, recorder: Recorder, tmp_path: Path) -> Any:
    studio.helper(row.helper)
    agent = studio.agent(
        (*row.replies, Reply("done")),
        tools=["get_order", "issue_refund", CallTool("update_ticket", _close_ticket)],
        transport=SdkTransport(confirm_tool=row.answer),
        permission_engine=PermissionEngine(project_root=tmp_path, rules=list(row.rules)),
    )
    agent.memory_manager.save_from_tool("name", "Eva", [])
    with attach(recorder, agent, session="s", user="u-1", confirm_timeout=row.timeout):
        agent.chat("go")
        row.then(agent)
    return agent


def _close_ticket(ticket: str, state: str) -> str:
    return f"{ticket} is {state}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_table(row: Row, studio: Studio, recorder: Recorder, tmp_path: Path) -> None:
    played(row, studio, recorder, tmp_path)
    selected = [(e, name) for e in recorder.events() if (name := row.policy.classify(e))]
    kept = [(e.type, name, row.policy.classes[name].retention_days) for e, name in selected]
    assert kept == [SESSION, *row.kept]
    assert {e.user for e, _ in selected} == {"u-1"}
    assert {e.session for e, _ in selected} == {"s"}
    for kind, said in row.says.items():
        data = next(e.data for e, _ in selected if e.type == kind)
        assert data | said == data


def test_a_calls_evidence_hangs_together(
    studio: Studio, recorder: Recorder, tmp_path: Path
) -> None:
    """Decision, question, answer, call and result name the same call."""
    row = next(row for row in ROWS if "approves" in row.name)
    played(row, studio, recorder, tmp_path)
    selected = [e for e in recorder.events() if SHIPPED.classify(e) and e.type != "session_start"]
    assert len({e.data["call_id"] for e in selected}) == 1


def test_evidence_that_is_too_large_is_cut_and_its_digests_stay(
    studio: Studio, tmp_path: Path
) -> None:
    content = "x" * 20_000
    tool = CallTool("update_page", lambda text: text.upper())
    agent = studio.agent(
        [Reply(tools=(ToolCall("update_page", {"text": content}),)), Reply("done")], tools=[tool]
    )
    recorder = Recorder(max_event_bytes=4_000)
    with attach(recorder, agent, session="s"):
        agent.chat("go")
    (start,), (result,) = recorder.of("tool_start"), recorder.of("tool_result")
    recorder.close()
    whole = {"tool": "update_page", "args": {"text": content}, "call_id": start["call_id"]}
    encoded = json.dumps(whole, separators=(",", ":")).encode()
    assert start["_headrace"]["cut"] == {
        "bytes": len(encoded),
        "sha256": hashlib.sha256(encoded).hexdigest(),
    }
    assert result["content_hash"] == hashlib.sha256(content.upper().encode()).hexdigest()
    assert result["_headrace"]["cut"]["bytes"] > 20_000


def test_what_the_shipped_policy_selects_drops_last() -> None:
    assert SHIPPED.types <= types.AUDIT
