"""What a session came to: who and when, and its sums, folded from the entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from headrace.cli.replay.entries import Data, Entry, Event, number, text, trace_id
from headrace.cli.replay.read import Place
from headrace.events import types
from headrace.streams.metrics.prices import Prices

CALL_COMPLETED = "llm_call_completed"
TOOL_COMPLETE = "tool_complete"


@dataclass(slots=True)
class About:
    """Whose session it is. Filled while its events pass."""

    tenant: str
    session: str
    start: float | None = None
    """Seconds since 1970."""
    events: int = 0
    users: dict[str, None] = field(default_factory=dict)
    agents: dict[str, None] = field(default_factory=dict)
    traces: dict[str, None] = field(default_factory=dict)
    """In the order in which they came."""

    @classmethod
    def at(cls, place: Place) -> About:
        return cls(place.tenant, place.session)

    def take(self, event: Event) -> None:
        self.events += 1
        self.start = event.ts if self.start is None else min(self.start, event.ts)
        if event.user:
            self.users[event.user] = None
        if event.agent:
            self.agents[event.agent] = None
        if trace := trace_id(event.trace):
            self.traces[trace] = None

    def watch(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on, taking note."""
        for event in events:
            self.take(event)
            yield event


@dataclass(slots=True)
class Sums:
    """Sums over a session's entries."""

    prices: Prices
    duration_s: float = 0.0
    """From the first entry to the last."""
    turns: int = 0
    model_calls: int = 0
    model_ms: float = 0.0
    tool_calls: int = 0
    tool_ms: float = 0.0
    tokens_in: int = 0
    tokens_cached: int = 0
    """Of the tokens in."""
    tokens_out: int = 0
    cost: float | None = None
    """USD; None where no call's model has a price. Sub-agents name no model: theirs is not in."""
    retries: int = 0
    errors: int = 0
    """Failed calls and tools, errors, turns that did not end well, what was under way or lost."""
    _start: float | None = None

    def take(self, entry: Entry) -> None:
        if entry.kind == "log":
            return
        self._start = entry.ts if self._start is None else self._start
        self.duration_s = max(self.duration_s, entry.ts - self._start)
        self.errors += is_error(entry)
        if entry.type == types.TURN_BEGIN and entry.kind == "turn":
            self.turns += 1
        elif entry.type == CALL_COMPLETED:
            self._call(entry.facts)
        elif entry.type == TOOL_COMPLETE:
            self.tool_calls += 1
            self.tool_ms += number(entry.facts.get("duration_ms")) or 0.0
        elif entry.type == "llm_retry":
            self.retries += 1
        elif entry.type == types.AGENT_USAGE:
            self._tokens(entry.facts)

    def watch(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Pass entries on, adding them up."""
        for entry in entries:
            self.take(entry)
            yield entry

    def as_json(self) -> dict[str, Any]:
        return {
            "duration_s": round(self.duration_s, 6),
            "turns": self.turns,
            "model_calls": self.model_calls,
            "model_ms": self.model_ms,
            "tool_calls": self.tool_calls,
            "tool_ms": self.tool_ms,
            "tokens_in": self.tokens_in,
            "tokens_cached": self.tokens_cached,
            "tokens_out": self.tokens_out,
            "cost_usd": None if self.cost is None else round(self.cost, 8),
            "retries": self.retries,
            "errors": self.errors,
        }

    def _call(self, facts: Data) -> None:
        self.model_calls += 1
        self.model_ms += number(facts.get("duration_ms")) or 0.0
        tokens = self._tokens(facts)
        if price := self.prices.of(text(facts.get("model"))):
            self.cost = (self.cost or 0.0) + price.of(*tokens)

    def _tokens(self, facts: Data) -> tuple[int, int, int]:
        prompt, completion, cached = (
            int(number(facts.get(name)) or 0)
            for name in ("prompt_tokens", "completion_tokens", "cache_read_tokens")
        )
        self.tokens_in += prompt
        self.tokens_out += completion
        self.tokens_cached += cached
        return prompt, completion, cached


def is_error(entry: Entry) -> bool:
    """Whether an entry tells of something that went wrong. A retry, a refusal, a log did not."""
    if entry.type == "llm_retry" or entry.kind in {"ask", "permission", "log"}:
        return False
    return entry.tone == "bad"


def money(usd: float | None) -> str:
    """Return an amount of USD as people read it: small ones with digits enough to tell."""
    if usd is None:
        return "no price"
    digits = 2 if usd >= 1 or not usd else 4 if usd >= 1 / 1_000 else 6
    return f"${usd:,.{digits}f}"
