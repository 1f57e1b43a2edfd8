"""The names of event types that headrace itself knows.

A type is any string: an unknown one passes through untouched. The runtime's own
types (agentao's ``EventType`` values) keep their names; what headrace adds to a
stream is listed under "Added by headrace".
"""

from __future__ import annotations

from typing import Final

TURN_BEGIN: Final = "turn_begin"
TURN_END: Final = "turn_end"
LLM_CALL_STARTED: Final = "llm_call_started"
LLM_TEXT: Final = "llm_text"
THINKING: Final = "thinking"
TOOL_OUTPUT: Final = "tool_output"
TOOL_CONFIRMATION: Final = "tool_confirmation"
MEMORY_CLEARED: Final = "memory_cleared"

# Added by headrace.

SESSION_START: Final = "session_start"
"""An agent was attached. ``data``: agent, model, working_directory."""

SESSION_END: Final = "session_end"
"""An agent was detached. ``data``: reason."""

CONFIRMATION_RESOLVED: Final = "confirmation_resolved"
"""The answer to a TOOL_CONFIRMATION. ``data``: tool, outcome (allow, reject, timeout, error),
wait_ms, args (as asked), answered_how (callback, policy, timeout), answered_by (where the callback
said it: the event's ``user`` is whom the agent works for, who need not be who answered)."""

PERMISSION_DECISION: Final = "permission_decision"
"""A permission rule decided. ``data``: tool, decision (allow, deny, prompt), reason, call_id."""

AGENT_USAGE: Final = "agent_usage"
"""What a sub-agent's own model calls cost: its LLM_CALL_COMPLETED are not told. ``data``: agent,
child_task_id, child_session_id, prompt_tokens, completion_tokens, cache_read_tokens,
cache_creation_tokens, reasoning_tokens."""

LOG: Final = "log"
"""A log record, on agent.logs. ``data``: level, level_no, logger, message; where known
exception, stack, file, line, function, thread, process, extra."""

AUDIT_READ: Final = "headrace.audit_read"
"""Somebody is about to read the audit trail; ``user`` is who, and the tenant's evidence it is.
``data``: what (search, export, ...), selection (whom it is about by pseudonym), count, login."""

AUDIT_CHANGE: Final = "headrace.audit_change"
"""Somebody is about to place or release a legal hold, or to let go what fell due; ``user`` is who.
``data``: what (hold, release, expire), selection, count, login."""

ERASURE: Final = "headrace.erasure"
"""A person was forgotten, or is being: `headrace forget`. ``data``: subject (a pseudonym, never the
name), request, phase (requested, completed), removed, kept."""

EPOCH_END: Final = "headrace.epoch_end"
"""The last event of an epoch. ``data``: reason (closed, evicted), dropped (reason to count).
Its own ``seq`` is the count of numbers that the epoch ever drew, from 1, without holes."""

DROPPED: Final = "headrace.dropped"
"""Events that were numbered and then given up. ``data``: reason, first_seq, last_seq, count.
All ``count`` dropped numbers lie in first_seq..last_seq; where the span is wider than the count,
its other numbers were accepted."""

CHUNKS: Final = frozenset({LLM_TEXT, THINKING, TOOL_OUTPUT})
"""Streaming pieces. Their whole stands in a later event, so they go first when space is short."""

AUDIT: Final = frozenset(
    {
        SESSION_START,
        SESSION_END,
        TOOL_CONFIRMATION,
        CONFIRMATION_RESOLVED,
        PERMISSION_DECISION,
        MEMORY_CLEARED,
        "memory_delete",
        "permission_mode_changed",
        "readonly_mode_changed",
        "tool_start",
        "tool_complete",
        "tool_result",
        AUDIT_READ,
        ERASURE,
        AUDIT_CHANGE,
        EPOCH_END,
        DROPPED,
    }
)
"""Evidence. These have a reserved quota of the spool and drop last, as ``audit_overflow``."""
