"""What ClickStack's pages ask of ``otel_traces``, and what they must find.

``clickstack.json`` has the queries as ClickStack's own code wrote them for this table and for the
spans of :mod:`.boards`; its key ``builder`` says which version. The code of its pages was run under
Node, against a server that had these spans, as the user ``reader``; a key says where a person sees
the answer.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx
import pytest

from headrace.events.settings import ClickHouseSettings
from headrace.sinks import schema
from headrace.sinks.tables import SPANS
from tests.otlp.spans import value
from tests.sinks import boards
from tests.sinks.test_metrics_views import write
from tests.stack.clickhouse import LocalClickHouse

Row = dict[str, Any]
Ask = Callable[..., list[Row]]

ASKED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "clickstack.json").read_text(encoding="utf-8")
)
TURNS = ["invoke_agent boards"] * 3
CALLS = ["chat claude-x"] * 3
TOOLS = {
    "execute_tool grep": 2,
    "execute_tool agent_helper": 2,
    "execute_tool read_file": 2,
    "execute_tool deploy": 1,
}
ALL = Counter({"invoke_agent boards": 3, "chat claude-x": 3, "invoke_agent helper": 2, **TOOLS})
BUCKETS = [f"2019-03-14T12:0{minute}:00Z" for minute in range(3)]


@pytest.fixture(scope="module")
def ask(clickhouse_server: LocalClickHouse) -> Ask:
    """Ask a query by its name, as ClickStack's client sends it. Each span was written twice.

    ``kind``: in place of the spans of servers.
    """
    tables = ClickHouseSettings(clickhouse_server.writer_url)
    schema.apply(tables)
    written = [value(one) for one in boards.spans()]
    for _ in range(2):
        assert not asyncio.run(write(tables, SPANS, *written))
    address = httpx.URL(clickhouse_server.reader_url)

    def answer(name: str, *, kind: str = "Server") -> list[Row]:
        query = ASKED["queries"][name]
        sql = query["sql"].replace("'Server'", f"'{kind}'")
        bound = {f"param_{key}": str(it) for key, it in query["params"].items()}
        found = httpx.post(
            address.copy_with(path="/", userinfo=b""),
            params=ASKED["settings"] | query.get("settings", {}) | bound,
            content=f"{sql}\nFORMAT JSON",
            auth=(address.username, address.password),
            timeout=60,
        )
        assert found.status_code == 200, found.text
        rows: list[Row] = found.json()["data"]
        return rows

    return answer


def names(rows: list[Row], column: str = "SpanName") -> Counter[str]:
    return Counter(row[column] for row in rows)


def test_it_finds_the_table_and_takes_it_for_the_exporters(ask: Ask) -> None:
    assert {"database": "headrace", "name": "otel_traces"} in ask("which tables")
    columns = {row["name"]: row["type"] for row in ask("columns")}
    assert columns.keys() >= {
        *("Timestamp", "SpanName", "Duration", "SpanKind", "TraceId", "SpanId", "ParentSpanId"),
        *("ServiceName", "SpanAttributes", "ResourceAttributes", "StatusCode", "StatusMessage"),
        *("Events.Timestamp", "Links.TraceId"),
    }
    assert columns["Timestamp"] == "DateTime64(9)"


def test_it_cannot_guess_the_column_of_the_time(ask: Ask) -> None:
    (table,) = ask("table")
    assert (table["engine"], table["primary_key"], table["partition_key"]) == ("View", "", "")
    assert ask("indexes") == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("search", ALL),
        ("search: grep", {"execute_tool grep": 2}),
        ('search: SpanAttributes.gen_ai.operation.name:"execute_tool"', TOOLS),
        ("search: SpanAttributes.gen_ai.usage.input_tokens:*", Counter(CALLS)),
        (
            "search: Duration:>400000000",
            {"invoke_agent boards": 3, "execute_tool agent_helper": 2},
        ),
        (
            "search: ServiceName:boards -SpanName:*grep*",
            ALL - Counter({"execute_tool grep": 2}),
        ),
        ('search: Events.Name:"headrace.first_token"', Counter(CALLS)),
        ('search: tenant:"boards"', ALL),
        ("search by SQL", Counter(CALLS)),
        ("search with filters", {"execute_tool grep": 2}),
    ],
)
def test_a_search(ask: Ask, name: str, expected: dict[str, int]) -> None:
    rows = ask(name)
    assert names(rows) == expected
    times = [row["Timestamp"] for row in rows]
    assert times == sorted(times, reverse=True)
    assert {row["service"] for row in rows} == {"boards"}


def test_the_histogram_and_the_patterns_of_a_search(ask: Ask) -> None:
    counted = {
        (row["__hdx_time_bucket"], row["StatusCode"]): row["count()"] for row in ask("histogram")
    }
    assert counted == {
        (BUCKETS[0], "Unset"): "6",
        (BUCKETS[1], "Unset"): "6",
        (BUCKETS[2], "Unset"): "1",
        (BUCKETS[2], "Error"): "2",
    }
    assert names(ask("patterns"), "__hdx_pattern_field") == ALL


def test_fields_and_their_values(ask: Ask) -> None:
    ours = {row["key"] for row in ask("attributes: SpanAttributes")}
    assert ours >= {"gen_ai.operation.name", "gen_ai.usage.input_tokens", "headrace.turn"}
    # An empty one, which its query may give, ClickStack leaves out itself.
    resource = {row["key"] for row in ask("attributes: ResourceAttributes")} - {""}
    assert resource == {"service.name"}
    found = {row["value"] for row in ask("values of an attribute")}
    assert found == {"chat", "execute_tool", "invoke_agent"}
    (row,) = ask("values of fields")
    services, spans, kinds, *_ = row.values()
    assert (services, set(spans), set(kinds)) == (["boards"], set(ALL), {"Internal", "Client"})
    (row,) = ask("values to filter by")
    assert set(row["param1"]) == set(ALL)
    shares = {row["__hdx_value"]: row["__hdx_percentage"] for row in ask("shares of values")}
    assert shares == {name: pytest.approx(100 * times / 15) for name, times in ALL.items()}


def test_a_trace_is_drawn_with_its_events(ask: Ask) -> None:
    drawn = ask("trace until the span") + ask("trace from the span")
    spans = {row["SpanId"]: row for row in drawn}
    assert len(spans) == len(drawn) == 6
    parents = {
        row["Body"]: spans[row["ParentSpanId"]]["Body"] if row["ParentSpanId"] else ""
        for row in drawn
    }
    assert parents == {
        "invoke_agent boards": "",
        "chat claude-x": "invoke_agent boards",
        "execute_tool grep": "invoke_agent boards",
        "execute_tool agent_helper": "invoke_agent boards",
        "invoke_agent helper": "execute_tool agent_helper",
        "execute_tool read_file": "invoke_agent helper",
    }
    call = next(row for row in drawn if row["Body"] == "chat claude-x")
    assert (call["Duration"], call["SpanAttributes"]["gen_ai.request.model"]) == (0.3, "claude-x")
    first = {"Timestamp": "2019-03-14T12:00:00.300000000Z", "Name": "headrace.first_token"}
    assert call["SpanEvents"] == [first | {"Attributes": {}}]


def test_a_span_is_opened(ask: Ask) -> None:
    (row,) = ask("span of a trace")
    assert (row["SpanName"], row["StatusMessage"]) == ("execute_tool deploy", "failed")
    assert row["__hdx_duration_ms"] == 300
    assert row["__hdx_span_kind"] == "Internal"
    assert row["__hdx_event_attributes"]["error.type"] == "_OTHER"
    assert [one["Name"] for one in row["__hdx_span_events"]] == ["headrace.permission"]
    assert (row["__hdx_events_exception_attributes"], row["__hdx_span_links"]) == ({}, [])
    assert row["tenant"] == "boards"
    assert not row.keys() & {"_part", "_part_offset"}
    (row,) = ask("span of a row")
    assert (row["SpanName"], row["session"]) == ("execute_tool grep", "two")


def test_the_heat_map(ask: Ask) -> None:
    assert ask("heat map, bounds") == [{"min": 100, "max": 1600}]
    cells = {(row["__hdx_time_bucket"], row["x_bucket"]): row["count"] for row in ask("heat map")}
    assert Counter(bucket for bucket, _ in cells) == {BUCKETS[0]: 4, BUCKETS[1]: 4, BUCKETS[2]: 2}
    assert sum(map(int, cells.values())) == 15
    assert cells[BUCKETS[0], 81] == "1"  # the turn, which is the slowest


def test_what_stands_out_is_compared_with_the_rest(ask: Ask) -> None:
    selected, others = ask("deltas, selected"), ask("deltas, others")
    assert names(selected) == Counter(TURNS)
    assert names(others) == ALL - Counter(TURNS)
    every = ask("deltas, all spans")
    by_span = itemgetter("SpanId")
    assert sorted(selected + others, key=by_span) == sorted(every, key=by_span)


def test_charts(ask: Ask) -> None:
    lines = {
        (row["__hdx_time_bucket"], row["SpanName"]): tuple(row.values())[:2]
        for row in ask("chart of lines")
    }
    assert len(lines) == 15
    assert lines[BUCKETS[1], "invoke_agent boards"] == (1.6e9, "0")
    assert lines[BUCKETS[2], "execute_tool deploy"] == (3e8, "1")
    operations = {tuple(row.values())[-1]: row["tokens"] for row in ask("chart of a table")}
    assert operations == {"invoke_agent": 0, "execute_tool": 0, "chat": 21}
    by_sql = Counter[str]()
    for row in ask("chart by SQL"):
        by_sql[row["SpanName"]] += int(row["n"])
    assert by_sql == ALL


@pytest.mark.parametrize("name", [n for n in ASKED["queries"] if n.startswith("service")])
def test_what_is_of_servers_has_no_spans_of_agents(ask: Ask, name: str) -> None:
    assert ask(name) == []
    if name.startswith(("services, http", "services, errors")):
        assert ask(name, kind="Internal")  # it is the kind alone
