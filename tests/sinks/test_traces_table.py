"""Spans in ClickHouse: what a board that was made for the Collector's exporter finds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from headrace.events.settings import ClickHouseSettings
from headrace.sinks.tables import SPANS
from tests.otlp.spans import ATTRIBUTES, MILLISECOND, NOON, record, span, trace, value
from tests.sinks.test_metrics_views import write
from tests.support import unique

EXPORTERS = """
    Timestamp TraceId SpanId ParentSpanId TraceState SpanName SpanKind ServiceName
    ResourceAttributes ScopeName ScopeVersion SpanAttributes Duration StatusCode StatusMessage
    Events.Timestamp Events.Name Events.Attributes
    Links.TraceId Links.SpanId Links.TraceState Links.Attributes
"""


def ask(client: Client, query: str, **parameters: Any) -> list[dict[str, Any]]:
    return list(client.query(query, parameters).named_results())


def test_the_columns_are_the_exporters_and_then_ours(
    tables: ClickHouseSettings, client: Client
) -> None:
    columns = client.query("SELECT * FROM otel_traces LIMIT 0").column_names
    assert columns == (*EXPORTERS.split(), "tenant", "session", "user")
    named = [row["name"] for row in ask(client, "DESCRIBE otel_traces")]
    assert named == [*columns, "_part", "_part_offset"]


def test_every_column_is_in_the_page_of_traces(tables: ClickHouseSettings, client: Client) -> None:
    page = (Path(__file__).parents[2] / "docs" / "traces.md").read_text(encoding="utf-8")
    section = page.partition("\n## Into ClickHouse\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| ([\w.]+) \| (.+?) \| .+ \|$", section, re.MULTILINE)[1:]
    columns = ask(client, "DESCRIBE otel_traces")
    there = [(row["name"], row["type"]) for row in columns if not row["default_type"]]
    assert documented == there


async def test_a_span_arrives_as_it_was_written(tables: ClickHouseSettings, client: Client) -> None:
    tenant = unique()
    written = span(tenant)
    assert not await write(tables, SPANS, value(written))
    (row,) = ask(
        client,
        "SELECT * REPLACE(toUnixTimestamp64Nano(Timestamp) AS Timestamp,"
        " arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp) AS `Events.Timestamp`)"
        " FROM otel_traces WHERE tenant = {tenant:String}",
        tenant=tenant,
    )
    attributes = row.pop("SpanAttributes")
    finish = json.loads(attributes.pop("gen_ai.response.finish_reasons"))
    assert finish == ATTRIBUTES["gen_ai.response.finish_reasons"]
    assert attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.usage.input_tokens": "12",
        "gen_ai.request.temperature": "0.5",
        "gen_ai.request.stream": "true",
    }
    assert row.pop("Events.Attributes") == [{"reason": "status=503", "attempt": "2"}, {}]
    assert row.pop("Links.Attributes") == [{"n": "1"}]
    assert row == {name: written[name] for name in row}


async def test_a_span_that_comes_again_is_one_and_the_longer_state_stays(
    tables: ClickHouseSettings, client: Client
) -> None:
    tenant = unique()
    ended = span(tenant, Duration=9 * MILLISECOND, StatusCode="Ok")
    given_up = ended | {"Duration": 5 * MILLISECOND, "StatusCode": "Error"}
    for one in (ended, given_up, ended, given_up):
        assert not await write(tables, SPANS, value(one))
    rows = ask(client, "SELECT StatusCode FROM otel_traces WHERE tenant = {t:String}", t=tenant)
    assert rows == [{"StatusCode": "Ok"}]
    lookup = "SELECT count() AS n FROM otel_traces_trace_id_ts FINAL WHERE TraceId = {id:String}"
    assert ask(client, lookup, id=ended["TraceId"]) == [{"n": 1}]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"TraceId": "x"}, "TraceId is not 32 hex digits"),
        ({"SpanId": ""}, "SpanId is not 16 hex digits"),
        ({"tenant": ""}, "tenant is empty"),
        ({"Timestamp": 0}, "Timestamp is not in ns since 1970"),
        ({"Events.Timestamp": []}, ""),
        ({"Duration": "long"}, ""),
    ],
)
async def test_what_is_no_span_is_refused_alone(
    tables: ClickHouseSettings, client: Client, change: dict[str, Any], reason: str
) -> None:
    tenant = unique()
    refused = await write(
        tables, SPANS, record(tenant), value(span(tenant) | change), record(tenant)
    )
    assert refused.keys() == {1}
    assert reason in refused[1]
    rows = ask(client, "SELECT count() AS n FROM otel_traces WHERE tenant = {t:String}", t=tenant)
    assert rows == [{"n": 2}]


# What Grafana's ClickHouse plugin asks, where its data source says that it uses OTel's tables.
TRACE_VIEW = """
WITH
    '{trace}' AS trace_id,
    (SELECT min(Start) FROM "{database}"."otel_traces_trace_id_ts" WHERE TraceId = trace_id)
        AS trace_start,
    (SELECT max(End) + 1 FROM "{database}"."otel_traces_trace_id_ts" WHERE TraceId = trace_id)
        AS trace_end
SELECT
    "TraceId" AS traceID,
    "SpanId" AS spanID,
    "ParentSpanId" AS parentSpanID,
    "ServiceName" AS serviceName,
    "SpanName" AS operationName,
    multiply(toUnixTimestamp64Nano("Timestamp"), 0.000001) AS startTime,
    multiply("Duration", 0.000001) AS duration,
    arrayMap(key -> map('key', key, 'value', "SpanAttributes"[key]), mapKeys("SpanAttributes"))
        AS tags,
    arrayMap(key -> map('key', key, 'value', "ResourceAttributes"[key]),
        mapKeys("ResourceAttributes")) AS serviceTags,
    if("StatusCode" IN ('Error', 'STATUS_CODE_ERROR'), 2, 0) AS statusCode,
    arrayMap((name, timestamp, attributes) -> tuple(name,
        toString(toUnixTimestamp64Milli(timestamp)),
        arrayMap(key -> map('key', key, 'value', attributes[key]), mapKeys(attributes))),
        "Events.Name", "Events.Timestamp", "Events.Attributes") AS logs
FROM "{database}"."otel_traces"
WHERE traceID = trace_id AND "Timestamp" >= trace_start AND "Timestamp" <= trace_end
LIMIT 1000
"""
SEARCH = """
SELECT "TraceId" AS traceID, "ServiceName" AS serviceName, "SpanName" AS operationName,
    multiply(toUnixTimestamp64Nano("Timestamp"), 0.000001) AS startTime,
    multiply("Duration", 0.000001) AS duration
FROM "{database}"."otel_traces"
WHERE ( Timestamp >= fromUnixTimestamp64Milli({start}) AND
        Timestamp <= fromUnixTimestamp64Milli({end}) )
    AND ( ParentSpanId = '' ) AND ( Duration > 0 )
    AND ( SpanAttributes['gen_ai.operation.name'] = 'execute_tool' )
    AND ( ServiceName = '{service}' )
ORDER BY Timestamp DESC, Duration DESC LIMIT 1000
"""
RATES = """
SELECT toStartOfInterval(Timestamp, INTERVAL 60 second) AS time, SpanName, count() AS n,
    quantile(0.95)(Duration) / 1000000 AS p95
FROM otel_traces WHERE ServiceName = '{service}' GROUP BY time, SpanName ORDER BY SpanName
"""


async def test_grafanas_trace_view_and_search_find_it(
    tables: ClickHouseSettings, client: Client
) -> None:
    tenant = unique()
    written = trace(tenant, 3, ServiceName=tenant)
    for _ in range(2):
        values = [value(one) for one in written]
        assert not await write(tables, SPANS, *values)
    root = written[0]
    parts = {"database": client.database, "trace": root["TraceId"], "service": tenant}
    rows = ask(client, TRACE_VIEW.format(**parts))
    assert sorted(row["spanID"] for row in rows) == sorted(one["SpanId"] for one in written)
    assert {row["parentSpanID"] for row in rows} == {"", root["SpanId"]}
    assert {"key": "gen_ai.usage.input_tokens", "value": "12"} in rows[0]["tags"]
    assert {row["statusCode"] for row in rows} == {0, 2}
    start = NOON // MILLISECOND
    found = ask(client, SEARCH.format(**parts, start=start, end=start + 1000))
    assert [row["traceID"] for row in found] == [root["TraceId"]]
    assert found[0]["duration"] == 500.0
    rates = ask(client, RATES.format(**parts))
    assert [(row["SpanName"], row["n"]) for row in rates] == [
        ("execute_tool get_orders", 3),
        ("invoke_agent support", 1),
    ]


async def test_a_trace_is_found_by_the_index_of_its_id(
    tables: ClickHouseSettings, client: Client
) -> None:
    tenant = unique()
    one = span(tenant)
    assert not await write(tables, SPANS, value(one))
    query = f"EXPLAIN indexes = 1 SELECT * FROM otel_traces WHERE TraceId = '{one['TraceId']}'"
    plan = "\n".join(row["explain"] for row in ask(client, query))
    assert "idx_trace_id" in plan
