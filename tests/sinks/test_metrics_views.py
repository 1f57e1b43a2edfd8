"""What the views say of panes and of transitions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from clickhouse_connect.driver.client import Client

from headrace.events.errors import Poison
from headrace.events.metrics import METRICS, WATERMARK
from headrace.events.settings import ClickHouseSettings
from headrace.sinks.clickhouse import ClickHouseSink
from headrace.sinks.tables import PANES, TRANSITIONS, Table
from tests.sinks.records import HOUR, a_transition, pane
from tests.support import unique

ARCHIVE_PAGE = Path(__file__).parents[2] / "docs" / "archive.md"


async def write(tables: ClickHouseSettings, table: Table, *values: bytes | None) -> dict[int, str]:
    """Write as the archive does; why which were refused."""
    refused: dict[int, str] = {}

    def told(index: int, poison: Poison) -> None:
        refused[index] = poison.reason

    sink = ClickHouseSink(tables, table)
    try:
        landed = await sink.write(values, told)
    finally:
        await sink.close()
    assert landed == len(values) - values.count(None) - len(refused)
    return refused


def rows(client: Client, what: str, view: str, tenant: str) -> list[tuple[Any, ...]]:
    query = f"SELECT {what} FROM {view} WHERE tenant = {{tenant:String}} ORDER BY ALL"
    return list(map(tuple, client.query(query, {"tenant": tenant}).result_rows))


async def test_panes_are_merged_over_what_counted_them(
    tables: ClickHouseSettings, client: Client
) -> None:
    tenant = unique()
    # A zombie's is older, and may come last.
    for value in (pane(tenant, total=5, offset=9), pane(tenant, total=2, offset=4)):
        assert not await write(tables, PANES, value)
    more = [
        pane(tenant, total=10, partition=1),
        pane(tenant, total=100, generation=2**63),
        pane(tenant, total=1000, log="other/topic", offset=2**64 - 1),
    ]
    assert not await write(tables, PANES, *more)
    assert rows(client, "labels, count, sum, kind", "metrics", tenant) == [
        ({"tool": "read", "status": "ok"}, 1115, 1115.0, "counter")
    ]


async def test_every_series_that_can_be_written_is_kept(
    tables: ClickHouseSettings, client: Client
) -> None:
    tenant = unique()
    labels = [
        ("", ""),
        ("a", ""),
        ("", "a"),
        ("x" * 100_000, "ok"),
        ("\0\"'\\\n\u00e9\u4e2d\U0001f600", "ok"),
    ]
    assert not await write(tables, PANES, *(pane(tenant, labels=one) for one in labels))
    no_labels = pane(tenant, "agent.session.starts", (), 2**53)
    long_ago = pane(unique(), total=0.5, start=0)
    assert not await write(tables, PANES, no_labels, None, long_ago)
    there = rows(client, "mapValues(labels)", "metrics", tenant)
    assert sorted(map(tuple, (one for (one,) in there))) == sorted([*labels, ()])


async def test_buckets_are_summed_one_by_one(tables: ClickHouseSettings, client: Client) -> None:
    tenant = unique()
    for partition in range(3):
        buckets = (partition, 1, 0, 2, 0, 0, 7)
        value = pane(tenant, "agent.turn.duration_ms", (), 10, buckets, partition=partition)
        assert not await write(tables, PANES, value)
    for view in ("metrics", "metrics_1m", "metrics_1h"):
        assert rows(client, "count, sum, buckets, kind", view, tenant) == [
            (30, 30.0, [3, 3, 0, 6, 0, 0, 21], "histogram")
        ]


async def test_over_time_counters_add_up_and_of_a_gauge_the_largest_counts(
    tables: ClickHouseSettings, client: Client
) -> None:
    tenant = unique()
    values = [
        pane(tenant, metric, labels, total, start=HOUR + at, partition=partition)
        for metric, labels in (("agent.session.active", ()), ("agent.session.starts", ()))
        for at, partition, total in ((0, 0, 3), (0, 1, 4), (50, 0, 5), (60, 0, 1), (3600, 0, 2))
    ]
    assert not await write(tables, PANES, *values)

    def sums(view: str, metric: str) -> list[tuple[int, int, float]]:
        what = f"toUnixTimestamp(start) - {HOUR}, seconds, sum, metric"
        found = rows(client, what, view, tenant)
        return [(at, seconds, total) for at, seconds, total, name in found if name == metric]

    gauge, counter = "agent.session.active", "agent.session.starts"
    assert sums("metrics_1m", gauge) == [(0, 60, 7.0), (60, 60, 1.0), (3600, 60, 2.0)]
    assert sums("metrics_1m", counter) == [(0, 60, 12.0), (60, 60, 1.0), (3600, 60, 2.0)]
    assert sums("metrics_1h", gauge) == [(0, 3600, 7.0), (3600, 3600, 2.0)]
    assert sums("metrics_1h", counter) == [(0, 3600, 13.0), (3600, 3600, 2.0)]


async def test_the_views_know_the_kind_of_every_metric(
    tables: ClickHouseSettings, client: Client
) -> None:
    tenant = unique()
    values = [
        pane(
            tenant,
            name,
            ("x",) * len(one.labels),
            1.0,
            (0,) * (len(one.buckets) + 1) if one.buckets else (),
        )
        for name, one in METRICS.items()
    ]
    assert not await write(tables, PANES, *values)
    told = dict(rows(client, "toString(metric), kind", "metrics", tenant))
    assert told == {name: one.kind for name, one in METRICS.items() if name != WATERMARK}


async def test_a_watermark_is_one_row_that_no_view_shows(
    tables: ClickHouseSettings, client: Client
) -> None:
    log = unique()
    for at in (5.0, 6.0):  # nothing was read in between
        assert not await write(tables, PANES, pane("", WATERMARK, (), at, start=0, log=log))
    query = "SELECT sum FROM metric_panes_raw FINAL WHERE tenant = '' AND log = {log:String}"
    assert client.query(query, {"log": log}).result_rows == [(6.0,)]
    assert rows(client, "metric", "metrics", "") == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metric": ""}, "metric is empty"),
        ({"tenant": ""}, "tenant is empty"),
        ({"log": None}, "log is empty"),
        ({"seconds": 0}, "seconds is 0"),
        ({"labels": [1]}, ""),
        ({"generation": "x"}, ""),
    ],
)
async def test_a_pane_without_identity_is_refused(
    tables: ClickHouseSettings, client: Client, changes: dict[str, Any], reason: str
) -> None:
    tenant = unique()
    bad = orjson.dumps(orjson.loads(pane(tenant)) | changes)
    refused = await write(
        tables, PANES, pane(tenant), bad, b"{}{}", pane(tenant, total=3, offset=2)
    )
    assert refused.keys() == {1, 2}
    assert reason in refused[1]
    assert rows(client, "sum", "metrics", tenant) == [(3.0,)]


COLUMNS = (
    "id, seq, rule, state, previous, severity, tenant, group_labels, labels, annotations, value,"
    " samples, threshold, comparison, toUnixTimestamp(pane), toFloat64(starts_at),"
    " toFloat64(ends_at), toFloat64(at), receivers, toUnixTimestamp(judged)"
)


async def test_a_transition_is_one_row_the_one_judged_last(
    tables: ClickHouseSettings, client: Client
) -> None:
    tenant = unique()
    old = a_transition(tenant, id="a")
    new = a_transition(tenant, id="a", judged=HOUR + 10)
    gone = a_transition(
        tenant, id="a", seq=3, state="resolved", value=None, ends_at=HOUR + 60.5, quiet_since=HOUR
    )
    for some in ((new, gone), (old,), (gone,)):
        assert not await write(tables, TRANSITIONS, *(one.encode() for one in some))
    expected = []
    for one in (new, gone):
        of = one.as_data()
        ends, at = of["ends_at"], of["at"]
        expected.append(
            (
                *(of[name] for name in ("id", "seq", "rule", "state", "previous", "severity")),
                *(of[name] for name in ("tenant", "group", "labels", "annotations", "value")),
                *(of[name] for name in ("samples", "threshold", "comparison", "pane", "starts_at")),
                *(ends, at, of["receivers"], of["judged"]),
            )
        )
    assert rows(client, COLUMNS, "alert_transitions", tenant) == expected


@pytest.mark.parametrize("changes", [{"id": ""}, {"seq": 0}, {"rule": ""}, {"at": 1.8e12}], ids=str)
async def test_a_transition_without_identity_is_refused(
    tables: ClickHouseSettings, client: Client, changes: dict[str, Any]
) -> None:
    tenant = unique()
    values = [a_transition(tenant).encode(), a_transition(tenant, **changes).encode()]
    assert (await write(tables, TRANSITIONS, *values)).keys() == {1}
    assert len(rows(client, "id", "alert_transitions", tenant)) == 1


def test_a_quantile_from_buckets(client: Client, tables: ClickHouseSettings) -> None:
    """The formula of the documentation, against the same walk in Python."""
    query = next(
        block
        for block in re.findall(r"```sql\n(.*?)```", ARCHIVE_PAGE.read_text("utf-8"), re.DOTALL)
        if "arrayCumSum" in block
    )
    formula = re.sub(r"FROM metrics_1h.*?ORDER BY", "FROM told ORDER BY", query, flags=re.DOTALL)
    cases = [
        (1, 0, 0, 0, 0, 0, 0),
        (3, 5, 0, 9, 1, 0, 2),
        (0, 0, 0, 0, 0, 0, 4),
        (19, 1, 0, 0, 0, 0, 0),
    ]
    cases += [(0, 0, 0, 0, 20, 0, 0), (0, 0, 0, 0, 0, 100, 1), (95, 0, 0, 5, 0, 0, 0)]
    told = " UNION ALL ".join(
        f"SELECT 't{at}' AS tenant, now() AS start, {list(one)} AS buckets"
        for at, one in enumerate(cases)
    )
    found = client.query(formula.replace("WITH", f"WITH told AS ({told}),", 1)).named_results()
    values = {row["tenant"]: row["p95_ms"] for row in found}
    bounds = METRICS["agent.turn.duration_ms"].buckets
    for at, one in enumerate(cases):
        assert values[f"t{at}"] == pytest.approx(quantile(bounds, one, 0.95)), one


def quantile(bounds: tuple[float, ...], buckets: tuple[int, ...], q: float) -> float:
    rank, below = q * sum(buckets), 0
    for at, count in enumerate(buckets):
        if below + count >= rank and count:
            if at == len(bounds):
                return bounds[-1]
            lower = bounds[at - 1] if at else 0.0
            return lower + (bounds[at] - lower) * (rank - below) / count
        below += count
    raise AssertionError(buckets)
