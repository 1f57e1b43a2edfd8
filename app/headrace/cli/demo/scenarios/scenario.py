"""What a scenario is: data, of who asks what, and what the model answers, line by line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from headrace.cli.demo.llm_server import Reply, ToolCall

Answer = Literal["allow", "reject", "late"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a user, and all that the model says until it is answered."""

    message: str
    replies: tuple[Reply, ...]
    max_iterations: int = 100


@dataclass(frozen=True, slots=True)
class Scenario:
    """One session."""

    session: str
    tenant: str
    user: str
    agent: str
    model: str
    turns: tuple[Turn, ...]
    tools: tuple[str, ...] = ()
    answer: Answer = "allow"
    """What the person says who is asked for confirmation; ``late`` says nothing in time."""
    approver: str = "nora"
    """Who is asked."""
    confirm_timeout: float | None = None
    """Seconds."""
    deny: tuple[str, ...] = ()
    """Tools that a permission rule denies."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Of the working directory, by name."""
    sub_agent: tuple[Reply, ...] = ()
    """What the model of the sub-agent ``researcher`` says."""
    churns: bool = False
    """The prompt begins with something new at every call: nothing comes from the cache."""
    forget: bool = False
    """The user asks to be forgotten at the end: the agent's memory is cleared."""


def call(name: str, **arguments: str) -> ToolCall:
    """Write a tool call down."""
    return ToolCall(name, arguments)
