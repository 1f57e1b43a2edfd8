"""What agents emit: sessions of agentao's events, some of them with trouble."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

MODELS = ("gpt-5-mini", "claude-sonnet-4-5", "house/unpriced")
TOOLS = ("read_file", "run_sql", "mcp_" + "long" * 40, "grep \u00e9\u4e2d")
RETRIES = ("status=503", "status=429", "APITimeoutError", "APIConnectionError", "odd")
FAILURES = (
    ("InternalServerError", "Error code: 500 - upstream"),
    ("RateLimitError", "slow down"),
    ("APITimeoutError", "Request timed out."),
    ("APIConnectionError", "Connection error."),
    ("ValueError", "no number 5001 here"),
    (None, None),
)
USAGE = ("prompt_tokens", "completion_tokens", "cache_read_tokens")


@dataclass(frozen=True, slots=True)
class Sent:
    """One record for agent.events."""

    session: str
    value: bytes
    arrived_ms: int
    """Its timestamp."""


@dataclass
class Agent:
    """One epoch of a session. Times are quarters of seconds, so that sums of them are exact."""

    tenant: str
    session: str
    epoch: str
    began: float
    draw: random.Random
    seq: int = 0
    turn: int = 0
    sent: list[Sent] = field(default_factory=list)
    now: float = 0.0

    def emit(self, kind: str, took: float | None = None, /, **data: Any) -> None:
        self.seq += 1
        self.now += self.draw.choice((0.0, 0.0, 0.25, 1.5))
        ts = self.began + self.now
        delay = self.draw.choice((0, 0, 0, 0, 25, 90, 4000))
        envelope = {
            "v": 1,
            "tenant": self.tenant,
            "session": self.session,
            "epoch": self.epoch,
            "seq": self.seq,
            "turn": self.turn,
            "ts": ts,
            "type": kind,
            "data": data | {"test_delay_s": delay},
        }
        if took is not None:
            envelope["duration_ms"] = took
        arrived = int((ts + delay) * 1000)
        self.sent.append(Sent(self.session, orjson.dumps(envelope), arrived))

    def live(self, turns: int) -> list[Sent]:
        self.emit("session_start", agent="main", model=MODELS[0], working_directory="/w")
        for _ in range(turns):
            self._take_a_turn()
        self.emit("headrace.dropped", reason="overflow", first_seq=1, last_seq=9, count=3)
        self.emit("headrace.epoch_end", reason="closed", dropped={"overflow": 3})
        return self.sent

    def _take_a_turn(self) -> None:
        draw = self.draw
        self.turn += 1
        self.emit("turn_begin", user_message="go")
        for _ in range(draw.randint(1, 3)):
            self._call_a_model()
            self._call_a_tool()
        if draw.random() < 0.2:
            self.emit("context_compressed", before=10, after=4)
        gave_up = draw.random() < 0.3
        self.emit(
            "turn_end",
            draw.choice((None, 80.0, 100.0, 2999.5, 45_000.0)),
            status=draw.choice(("ok", "error", "cancelled")),
            final_text="done",
            incomplete_reason="max_iterations" if gave_up else None,
        )

    def _call_a_model(self) -> None:
        draw = self.draw
        self.emit("llm_call_started", model=draw.choice(MODELS), attempt=1)
        for retry in range(draw.choice((0, 0, 1, 2))):
            self.emit("llm_retry", retry=retry, max_retries=4, reason=draw.choice(RETRIES))
        first = True
        for _ in range(draw.randint(0, 4)):
            took = draw.choice((9.0, 10.0, 320.0)) if first else None
            self.emit(draw.choice(("llm_text", "thinking")), took, chunk="piece")
            first = False
        usage = {name: draw.choice((None, 0, 7, 12_345)) for name in USAGE}
        if draw.random() < 0.3:
            error, message = draw.choice(FAILURES)
            trouble = {"status": "error", "error_class": error, "error_message": message}
        else:
            trouble = {"status": "ok", "finish_reason": "stop"}
        took = draw.choice((None, 10, 81_920, 400_000))
        self.emit("llm_call_completed", **usage, **trouble, duration_ms=took)

    def _call_a_tool(self) -> None:
        draw = self.draw
        tool, call = draw.choice(TOOLS), f"c{self.seq}"
        decision = draw.choice(("allow", "deny", "prompt"))
        self.emit("permission_decision", tool=tool, decision=decision, call_id=call)
        if decision == "prompt":
            self.emit("tool_confirmation", tool=tool, args={}, call_id=call)
            outcome = draw.choice(("allow", "reject", "timeout", "error"))
            self.emit("confirmation_resolved", tool=tool, outcome=outcome, wait_ms=12.5)
        self.emit("tool_start", tool=tool, args={"path": "/x"}, call_id=call)
        self.emit("tool_output", tool=tool, chunk="out", call_id=call)
        status = draw.choice(("ok", "ok", "error", "cancelled", ""))
        took = draw.choice((None, 0, 5, 5.5, 60_000, 61_000))
        self.emit("tool_complete", tool=tool, call_id=call, status=status, duration_ms=took)
        if draw.random() < 0.2:
            self.emit("agent_start", agent="researcher", task="look")
            self.emit("agent_usage", agent="researcher", **dict.fromkeys(USAGE, 11))


def sessions(tenant: str, began: float, count: int, *, seed: int) -> Iterator[list[Sent]]:
    """The records of sessions, each in its order. ``began``: seconds since 1970, whole."""
    for number in range(count):
        draw = random.Random(seed * 1000 + number)
        epoch = f"{draw.getrandbits(64):016x}"
        yield Agent(tenant, f"s-{number}", epoch, began + draw.randint(0, 90), draw).live(4)
