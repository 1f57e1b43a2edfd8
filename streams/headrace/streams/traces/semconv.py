"""How events are named as spans: by OpenTelemetry's semantic conventions, in one version.

The text is https://github.com/open-telemetry/semantic-conventions/tree/v1.41.0/docs/gen-ai, the
last release before these conventions moved to a repository of their own. They are not stable yet:
another version is another :data:`SEMCONV_VERSION`, which stands in every span as its scope's.
What they have no name for is ``headrace.*``.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from headrace.events.envelope import Envelope
from headrace.streams.traces.values import (
    CONTENT_CHARS,
    REASON_CHARS,
    amount,
    content,
    count,
    name,
    word,
)

SEMCONV_VERSION: Final = "1.41.0"
SCOPE: Final = "headrace"
SERVICE: Final = "headrace"
"""Of agents that have no name."""

INVOKE_AGENT: Final = "invoke_agent"
CHAT: Final = "chat"
EXECUTE_TOOL: Final = "execute_tool"

INTERNAL: Final = "Internal"
CLIENT: Final = "Client"

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
CONVERSATION: Final = "gen_ai.conversation.id"
AGENT: Final = "gen_ai.agent.name"
MODEL: Final = "gen_ai.request.model"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT: Final = "gen_ai.input.messages"
OUTPUT: Final = "gen_ai.output.messages"
ARGUMENTS: Final = "gen_ai.tool.call.arguments"
RESULT: Final = "gen_ai.tool.call.result"
ERROR_TYPE: Final = "error.type"
ABANDONED: Final = "headrace.abandoned"
STATUS: Final = "headrace.status"
TURN: Final = "headrace.turn"
CALLS: Final = "headrace.turn.model_calls"
TOOLS: Final = "headrace.turn.tool_calls"
BACKGROUND: Final = "headrace.agent.background"
WAITED: Final = "headrace.tool.confirmation.wait_ms"
LOST_EVENTS: Final = "headrace.span.dropped_events"

ATTRIBUTES: Final[dict[str, tuple[str, str]]] = {
    OPERATION: ("all", "`invoke_agent`, `chat`, `execute_tool`"),
    CONVERSATION: ("all", "`session`"),
    "session.id": ("all", "`session`"),
    "user.id": ("all", "`user`, where there is one"),
    "headrace.tenant": ("all", "`tenant`"),
    ERROR_TYPE: ("all", "what went wrong, as one word, where the status is `Error`"),
    AGENT: ("turn, sub-agent", "`agent`; of a sub-agent `data.agent`"),
    TURN: ("turn", "`turn`"),
    CALLS: ("turn", "how many model calls it had"),
    TOOLS: ("turn", "how many tool calls it had, those of its sub-agents too"),
    STATUS: ("turn, sub-agent, tool", "`data.status`, of a sub-agent `data.state`"),
    "headrace.incomplete_reason": ("turn", "`data.incomplete_reason`"),
    ABANDONED: ("all", "why it was closed without its end: see below"),
    PROVIDER: ("turn, model call", "by the model's name: see below"),
    MODEL: ("turn, model call", "`data.model`; of a turn its first call's"),
    "gen_ai.request.temperature": ("model call", "`data.temperature`"),
    "gen_ai.request.max_tokens": ("model call", "`data.max_tokens`"),
    "gen_ai.response.finish_reasons": ("model call", "`data.finish_reason`"),
    FIRST_CHUNK: ("model call", "`data.first_token_ms`, else of the first chunk, in seconds"),
    "gen_ai.usage.input_tokens": ("model call, sub-agent", "`data.prompt_tokens`"),
    "gen_ai.usage.output_tokens": ("model call, sub-agent", "`data.completion_tokens`"),
    "gen_ai.usage.cache_read.input_tokens": (
        "model call, sub-agent",
        "`data.cache_read_tokens`",
    ),
    "gen_ai.usage.cache_creation.input_tokens": (
        "model call, sub-agent",
        "`data.cache_creation_tokens`",
    ),
    "gen_ai.usage.reasoning.output_tokens": ("model call, sub-agent", "`data.reasoning_tokens`"),
    "gen_ai.tool.name": ("tool", "`data.tool`, a sub-agent's without its label"),
    "gen_ai.tool.call.id": ("tool", "`data.call_id`"),
    "gen_ai.tool.type": ("tool", "`function`"),
    WAITED: ("tool", "`data.wait_ms` of `confirmation_resolved`"),
    BACKGROUND: ("sub-agent", "`data.background`"),
    "headrace.agent.turns": ("sub-agent", "`data.turns`"),
    "headrace.agent.tool_calls": ("sub-agent", "`data.tool_calls`"),
    LOST_EVENTS: ("all", "how many span events it has no room for"),
    INPUT: ("turn, sub-agent, model call", "content: what it was asked"),
    OUTPUT: ("turn, model call", "content: what it answered"),
    ARGUMENTS: ("tool", "content: `data.args`"),
    RESULT: ("tool", "content: `data.content` of `tool_result`"),
}
"""Every attribute of a span: of which spans it is, and where it comes from."""

EVENTS: Final[dict[str, tuple[str, str]]] = {
    "headrace.first_token": ("model call", "the first `llm_text` or `thinking`"),
    "headrace.llm.retry": ("model call", "`llm_retry`: attempt, delay_s, reason"),
    "headrace.permission": ("tool", "`permission_decision`: decision"),
    "headrace.confirmation.asked": ("tool", "`tool_confirmation`"),
    "headrace.confirmation.resolved": ("tool", "`confirmation_resolved`: outcome, wait_ms, how"),
    "headrace.compaction": (
        "turn",
        "`compaction_settled`: status, trigger, kind, reason, duration_ms, tokens before and after",
    ),
    "headrace.error": ("turn", "`error`"),
    "headrace.dropped": ("turn", "`headrace.dropped`: reason, count"),
}
"""Every event of a span."""

MOST_MESSAGES: Final = 64
"""Of a call, where content is captured."""

_FAMILIES: Final = (
    ("claude", "anthropic"),
    ("gemini", "gcp.gemini"),
    ("deepseek", "deepseek"),
    ("mistral", "mistral_ai"),
    ("codestral", "mistral_ai"),
    ("grok", "x_ai"),
    ("command", "cohere"),
    ("sonar", "perplexity"),
)
_ANYWHERE: Final = "openai"
"""Whose interface agentao speaks with every model: the conventions ask for the best guess."""
_LABEL: Final = re.compile(r"\[.*?\] ", re.DOTALL)
"""What agentao puts before the tools of a sub-agent, for people: ``[helper 1/5] update_order``."""

Attributes = dict[str, Any]


def provider(model: str | None) -> str:
    """Return who makes a model, by its name."""
    plain = (model or "").rpartition("/")[2].lower()
    return next((who for start, who in _FAMILIES if plain.startswith(start)), _ANYWHERE)


def common(tenant: str, session: str, user: str, operation: str) -> Attributes:
    """Return what every span has."""
    found = {
        OPERATION: operation,
        CONVERSATION: session,
        "session.id": session,
        "headrace.tenant": tenant,
    }
    return found | {"user.id": user} if user else found


def model_of(data: dict[str, Any]) -> Attributes:
    """Return what the start of a model call says."""
    model = name(data.get("model"))
    return _present(
        {
            PROVIDER: provider(model),
            MODEL: model,
            "gen_ai.request.temperature": amount(data.get("temperature")),
            "gen_ai.request.max_tokens": count(data.get("max_tokens")),
        }
    )


def usage_of(data: dict[str, Any]) -> Attributes:
    """Return the tokens that a model call or a sub-agent took."""
    return _present(
        {
            "gen_ai.usage.input_tokens": count(data.get("prompt_tokens")),
            "gen_ai.usage.output_tokens": count(data.get("completion_tokens")),
            "gen_ai.usage.cache_read.input_tokens": count(data.get("cache_read_tokens")),
            "gen_ai.usage.cache_creation.input_tokens": count(data.get("cache_creation_tokens")),
            "gen_ai.usage.reasoning.output_tokens": count(data.get("reasoning_tokens")),
        }
    )


def answer_of(data: dict[str, Any]) -> Attributes:
    """Return what the end of a model call says."""
    reason, first = word(data.get("finish_reason")), amount(data.get("first_token_ms"))
    found = _present(
        {
            "gen_ai.response.finish_reasons": [reason] if reason else None,
            FIRST_CHUNK: first / 1000 if first is not None else None,
        }
    )
    return usage_of(data) | found


def tool_of(data: dict[str, Any]) -> Attributes:
    """Return what tells of a tool's call."""
    return _present(
        {
            "gen_ai.tool.name": tool_name(data),
            "gen_ai.tool.call.id": name(data.get("call_id")),
            "gen_ai.tool.type": "function",
        }
    )


def tool_name(data: dict[str, Any]) -> str | None:
    """Return a tool's name without the label of its sub-agent."""
    tool = name(data.get("tool"))
    return _LABEL.sub("", tool, count=1) if tool and tool[0] == "[" else tool


def agent_of(data: dict[str, Any]) -> Attributes:
    """Return what the start of a sub-agent says."""
    background = True if data.get("background") is True else None
    return _present({AGENT: name(data.get("agent")), BACKGROUND: background})


def agent_end_of(data: dict[str, Any]) -> Attributes:
    """Return what the end of a sub-agent says."""
    return _present(
        {
            STATUS: word(data.get("state")),
            "headrace.agent.turns": count(data.get("turns")),
            "headrace.agent.tool_calls": count(data.get("tool_calls")),
        }
    )


def turn_end_of(data: dict[str, Any]) -> Attributes:
    """Return what the end of a turn says."""
    return _present(
        {
            STATUS: word(data.get("status")),
            "headrace.incomplete_reason": word(data.get("incomplete_reason")),
        }
    )


# ── span events ──────────────────────────────────────────────────────────────


def retry_of(data: dict[str, Any]) -> Attributes:
    return _present(
        {
            "headrace.retry.attempt": count(data.get("retry")),
            "headrace.retry.delay_s": amount(data.get("delay_s")),
            "headrace.retry.reason": word(data.get("reason")),
        }
    )


def decision_of(data: dict[str, Any], *, captured: bool) -> Attributes:
    return _present(
        {
            "headrace.permission.decision": word(data.get("decision")),
            "headrace.permission.reason": _reason(data.get("reason")) if captured else None,
        }
    )


def outcome_of(data: dict[str, Any]) -> Attributes:
    return _present(
        {
            "headrace.confirmation.outcome": word(data.get("outcome")),
            "headrace.confirmation.wait_ms": amount(data.get("wait_ms")),
            "headrace.confirmation.how": word(data.get("answered_how")),
        }
    )


def compaction_of(data: dict[str, Any]) -> Attributes:
    return _present(
        {
            "headrace.compaction.status": word(data.get("status")),
            "headrace.compaction.trigger": word(data.get("trigger")),
            "headrace.compaction.kind": word(data.get("kind")),
            "headrace.compaction.reason": word(data.get("reason")),
            "headrace.compaction.duration_ms": amount(data.get("duration_ms")),
            "headrace.compaction.tokens_before": count(data.get("pre_tokens_history")),
            "headrace.compaction.tokens_after": count(data.get("post_tokens_history")),
        }
    )


def error_of(data: dict[str, Any], *, captured: bool) -> Attributes:
    return _present({"headrace.error.message": _reason(data.get("message")) if captured else None})


def dropped_of(data: dict[str, Any]) -> Attributes:
    return _present(
        {
            "headrace.dropped.reason": word(data.get("reason")),
            "headrace.dropped.count": count(data.get("count")),
        }
    )


# ── content, where it is captured ────────────────────────────────────────────


def turn_of(event: Envelope, *, captured: bool) -> Attributes:
    """Return what the beginning of a turn says."""
    found = _present({AGENT: name(event.agent), TURN: count(event.turn)})
    if captured:
        found |= asked([{"role": "user", "content": event.data.get("user_message")}])
    return found


def asked(given: Any) -> Attributes:
    """Return what was asked, of messages as agentao has them."""
    return _present({INPUT: messages(given)})


def output(text: Any) -> Attributes:
    """Return what was answered."""
    return _present({OUTPUT: messages([{"role": "assistant", "content": text}])})


def append(attributes: Attributes, text: str) -> None:
    """Add a piece to what is answered: one message, whose text is cut where it is too long."""
    before = (
        orjson.loads(attributes[OUTPUT])[0]["parts"][0]["content"] if OUTPUT in attributes else ""
    )
    if len(before) < CONTENT_CHARS:
        attributes |= output((before + text)[:CONTENT_CHARS])


def arguments(given: Any) -> Attributes:
    return _present({ARGUMENTS: content(given)})


def result(given: Any) -> Attributes:
    return _present({RESULT: content(given)})


def messages(given: Any) -> str | None:
    """Return messages as the conventions' schema has them, in JSON: as far as there is room."""
    found: list[Any] = []
    room = CONTENT_CHARS
    for one in given if isinstance(given, list) else ():
        if not isinstance(one, dict) or room <= 0 or len(found) >= MOST_MESSAGES:
            break
        text = (content(one.get("content")) or "")[:room]
        room -= len(text)
        role = name(one.get("role")) or "user"
        found.append({"role": role, "parts": [{"type": "text", "content": text}]})
    return orjson.dumps(found).decode() if found else None


def service(event: Envelope) -> str:
    """Return the service that an event's agent is."""
    return name(event.agent) or SERVICE


def _reason(given: Any) -> str | None:
    return content(given, REASON_CHARS)


def _present(given: Attributes) -> Attributes:
    return {key: value for key, value in given.items() if value is not None}
