"""The metrics that are computed from events: names, kinds, labels, and what each means.

The seed's metrics keep their names. The OpenTelemetry ones are those of the GenAI semantic
conventions (``docs/gen-ai/gen-ai-metrics.md`` of open-telemetry/semantic-conventions-genai, where
they went after v1.41 of the general ones; still in development), with the buckets that they advise.
Two attributes that the conventions require of a client are no labels: ``gen_ai.operation.name``,
which would always be ``chat``, and ``gen_ai.provider.name``, which the events do not tell.

Every series also has the tenant, which is no label here: it is a column of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

PANE_SECONDS: Final = 10
"""Length of a pane, the shortest window; longer ones are panes merged on reading."""

Kind = Literal["counter", "histogram", "gauge"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. A pane of a counter holds a sum, of a histogram a sum, a count and buckets.

    A gauge's panes are summed over partitions, and over time the largest counts.
    """

    name: str
    kind: Kind
    unit: str
    """As OpenTelemetry writes units (UCUM): ``ms``, ``s``, ``{token}``."""
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    """Upper bounds, ascending; one more bucket holds what is larger."""

    @property
    def prometheus_name(self) -> str:
        """The name for Prometheus: underscores, and ``_total`` behind a counter."""
        name = re.sub(r"[^a-zA-Z0-9_]", "_", self.name)
        suffix = {"s": "_seconds", "USD": "_usd"}.get(self.unit, "")
        if suffix and not name.endswith(suffix):
            name += suffix
        return name + "_total" if self.kind == "counter" else name


TURN_MS: Final = (100.0, 500.0, 1000.0, 3000.0, 10_000.0, 30_000.0)
"""The seed's buckets."""
TOOL_MS: Final = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 10_000.0, 60_000.0)
OTEL_SECONDS: Final = tuple(0.01 * 2**step for step in range(14))
OTEL_TOKENS: Final = tuple(float(4**step) for step in range(14))
LATE_SECONDS: Final = (10.0, 60.0, 600.0, 3600.0, 86_400.0)

WATERMARK: Final = "headrace.watermark"
"""How far a source partition has been read: a series without a tenant, whose sum is a time."""

_ALL: Final = (
    Metric("agent.turn.count", "counter", "{turn}", ("status",), "Turns that ended"),
    Metric(
        "agent.turn.duration_ms",
        "histogram",
        "ms",
        (),
        "How long turns took, first to last",
        TURN_MS,
    ),
    Metric("agent.tool.calls", "counter", "{call}", ("tool", "status"), "Tool calls that ended"),
    Metric("agent.tool.failures", "counter", "{call}", ("tool",), "Tool calls that failed"),
    Metric(
        "agent.tool.duration_ms", "histogram", "ms", ("tool",), "How long tool calls took", TOOL_MS
    ),
    Metric(
        "agent.llm.tokens.prompt",
        "counter",
        "{token}",
        ("model",),
        "Prompt tokens, cached ones too",
    ),
    Metric("agent.llm.tokens.completion", "counter", "{token}", ("model",), "Completion tokens"),
    Metric(
        "agent.llm.tokens.cached", "counter", "{token}", ("model",), "Prompt tokens from the cache"
    ),
    Metric("agent.llm.calls", "counter", "{call}", ("model", "status"), "Model calls that ended"),
    Metric(
        "agent.llm.errors",
        "counter",
        "{error}",
        ("model", "error_type", "class"),
        "Requests to a model that failed, those tried again too; class: 5xx, 4xx, timeout,"
        " connection, other",
    ),
    Metric(
        "agent.llm.requests",
        "counter",
        "{request}",
        ("model",),
        "Requests to a model: calls that ended and requests that were tried again",
    ),
    Metric("agent.llm.retries", "counter", "{retry}", ("model",), "Requests that were tried again"),
    Metric("agent.llm.cost", "counter", "USD", ("model",), "Cost by the price table"),
    Metric(
        "agent.confirm.requests",
        "counter",
        "{request}",
        ("outcome",),
        "Confirmations; outcome: request when asked, then allow, reject, timeout or error",
    ),
    Metric(
        "agent.permission.decisions", "counter", "{decision}", ("decision",), "allow, deny, prompt"
    ),
    Metric(
        "agent.max_iterations.hits", "counter", "{turn}", (), "Turns that ran out of iterations"
    ),
    Metric("agent.session.starts", "counter", "{session}", (), "Sessions that began"),
    Metric("agent.session.active", "gauge", "{session}", (), "Epochs with an event in the pane"),
    Metric("agent.subagent.starts", "counter", "{agent}", (), "Sub-agents started"),
    Metric("agent.compactions", "counter", "{compaction}", (), "Histories that were compacted"),
    Metric("agent.events", "counter", "{event}", ("type",), "Events, by type"),
    Metric(
        "agent.dropped", "counter", "{event}", ("reason",), "Events that their producer gave up"
    ),
    Metric(
        "agent.events.late",
        "histogram",
        "s",
        (),
        "Events that came after their pane should have been whole, and by how much",
        LATE_SECONDS,
    ),
    Metric(
        "agent.series.other",
        "counter",
        "{observation}",
        ("metric",),
        "Observations of series beyond the bound of their metric, which are one series, `other`",
    ),
    Metric(
        WATERMARK,
        "gauge",
        "s",
        (),
        "The event time up to which a partition of agent.events has been counted",
    ),
    Metric(
        "gen_ai.client.token.usage",
        "histogram",
        "{token}",
        ("gen_ai.request.model", "gen_ai.token.type"),
        "Tokens of a model call; gen_ai.token.type: input, output",
        OTEL_TOKENS,
    ),
    Metric(
        "gen_ai.client.operation.duration",
        "histogram",
        "s",
        ("gen_ai.request.model", "error.type"),
        "How long model calls took",
        OTEL_SECONDS,
    ),
    Metric(
        "gen_ai.client.operation.time_to_first_chunk",
        "histogram",
        "s",
        ("gen_ai.request.model",),
        "From a model call's start to the first piece of its answer",
        OTEL_SECONDS,
    ),
    Metric(
        "gen_ai.execute_tool.duration",
        "histogram",
        "s",
        ("gen_ai.tool.name", "error.type"),
        "How long tool calls took",
        OTEL_SECONDS,
    ),
)

METRICS: Final = {metric.name: metric for metric in _ALL}
"""Every metric by its name."""

OTHER: Final = "other"
"""The value of every label of what is beyond a metric's bound of series."""
