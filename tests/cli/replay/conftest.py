"""Sessions of real agents in the archive."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
import pytest

from tests.agentao.conftest import played
from tests.agentao.recording import Recorder
from tests.cli.conftest import Stack, insert, line
from tests.cli.test_hostile import ATTACK
from tests.support import unique

__all__ = ["played"]

MARKUP = (
    "</pre></details></article></script></style></title><script>alert(1)</script>"
    '<img src=x onerror="alert(1)"><svg/onload=alert(1)> "\' onclick=alert(1) x="&lt;!--'
    "```\n````\n# heading\n![i](http://evil/i.png) [l](http://evil) @everyone <details>"
    " www.evil.com "
)
SESSION = MARKUP.replace("\n", " ") + ATTACK
"""The name of a session, and all that is said in it."""


@dataclass(frozen=True)
class Cast:
    """The demo's sessions, archived under a tenant of the test's own."""

    tenant: str
    lines: list[bytes]

    def of(self, session: str) -> list[bytes]:
        return [line for line in self.lines if orjson.loads(line)["session"] == session]


@pytest.fixture(scope="session")
def cast(stack: Stack, played: Recorder) -> Cast:
    tenant = unique()
    mine = b'"tenant":"%b"' % tenant.encode()
    lines = [line.replace(b'"tenant":"test"', mine, 1) for line in played.lines()]
    insert(stack, lines)
    return Cast(tenant, lines)


@pytest.fixture(scope="session")
def hostile(stack: Stack) -> str:
    """A tenant of which every word is hostile, with two sessions."""
    tenant = unique() + MARKUP + ATTACK
    types = (
        *("session_start", "turn_begin", "llm_call_started", "llm_text", "llm_call_completed"),
        *("tool_start", "tool_complete", "tool_result", "permission_decision", "error"),
        *("tool_confirmation", "confirmation_resolved", "agent_start", "agent_end", "turn_end"),
        SESSION,
    )
    keys = (
        *("user_message", "chunk", "tool", "error", "message", "detail", "status", "reason"),
        *("content", "agent", "task", "state", "model", "outcome", "answered_by", SESSION),
    )
    more = {"user": SESSION, "agent": SESSION, "turn": 1, "trace": SESSION}
    data = {**dict.fromkeys(keys, MARKUP + ATTACK), "args": {SESSION: SESSION}}
    events = [line(tenant, SESSION, seq, kind, data, **more) for seq, kind in enumerate(types, 2)]
    insert(stack, [*events, line(tenant, SESSION + "2", 1, "x", {"a": SESSION})])
    return tenant
