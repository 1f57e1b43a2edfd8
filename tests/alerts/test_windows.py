from __future__ import annotations

import random
from collections import defaultdict
from math import fsum

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.events.metrics import WATERMARK
from headrace.streams.alerts.matchers import parse_selector
from headrace.streams.alerts.presence import Presence
from headrace.streams.alerts.records import PaneRecord, Watermark, decode
from headrace.streams.alerts.rules import load
from headrace.streams.alerts.windows import Windows
from headrace.streams.metrics.pane import PaneKey
from headrace.streams.metrics.panes_log import record_of
from headrace.streams.metrics.partition import Told
from tests.alerts.support import T0, pane

CALLS = (parse_selector("agent.tool.calls"),)
FAILED = (parse_selector('agent.tool.calls{status!="ok"}'),)
MEMORY = {"agent.tool.calls": 300, "agent.turn.duration_ms": 300, "agent.session.active": 300}


@st.composite
def histories(draw: st.DrawFn) -> list[PaneRecord]:
    """Every state that some panes went through: a greater offset is a later state."""
    records = []
    for tenant, tool, status, number, partition, generation in draw(
        st.lists(
            st.tuples(
                st.sampled_from(["acme", "umbrella"]),
                st.sampled_from(["a", "b"]),
                st.sampled_from(["ok", "error"]),
                st.integers(0, 5),
                st.integers(0, 2),
                st.integers(0, 1),
            ),
            max_size=12,
            unique=True,
        )
    ):
        totals = draw(st.lists(st.floats(0, 1e6), min_size=1, max_size=3))
        records += [
            pane(
                "agent.tool.calls",
                T0 + 10 * number,
                total,
                tenant=tenant,
                source=("log", partition, generation),
                offset=offset,
                tool=tool,
                status=status,
            )
            for offset, total in enumerate(totals, 1)
        ]
    return records


@given(histories(), st.randoms(use_true_random=False), st.integers(0, 6), st.integers(0, 6))
def test_neither_order_nor_repetition_changes_an_answer(
    records: list[PaneRecord], dice: random.Random, first: int, last: int
) -> None:
    windows = Windows(MEMORY)
    shuffled = records + dice.choices(records, k=len(records)) if records else []
    dice.shuffle(shuffled)
    for record in shuffled:
        windows.take(record)
    latest = {(r.tenant, r.labels, r.start, r.source): r for r in records}
    expected: dict[tuple[str, ...], dict[tuple[object, ...], list[float]]] = defaultdict(dict)
    start, end = T0 + 10 * first, T0 + 10 * last
    for record in latest.values():
        if start <= record.start < end and record.labels[1] != "ok":
            panes = expected[record.tenant, record.labels[0]]
            panes.setdefault((record.labels, record.start), []).append(record.sum)
    answer = windows.merged(FAILED, ("tool",), start, end)
    assert {group: one.sum for group, one in answer.items()} == {
        group: fsum(map(fsum, panes.values())) for group, panes in expected.items()
    }
    assert windows.cells == len(latest)


def test_a_pane_is_added_up_over_partitions_logs_and_generations() -> None:
    windows = Windows(MEMORY)
    for source in (("x", 0, 1), ("x", 1, 1), ("y", 0, 1), ("x", 0, 2)):
        windows.take(pane("agent.tool.calls", T0, 2.0, source=source, tool="a"))
    assert windows.merged(CALLS, (), T0, T0 + 10)[("acme",)].sum == 8.0
    assert windows.merged(CALLS, (), T0, T0 + 10)[("acme",)].count == 8


def test_a_sum_is_rounded_once_from_its_parts() -> None:
    for order in ((1e16, 1.0, 1.0), (1.0, 1e16, 1.0), (1.0, 1.0, 1e16)):
        windows = Windows(MEMORY)
        for number, total in enumerate(order):
            source = ("log", number, 1)
            windows.take(pane("agent.tool.calls", T0, total, source=source))
            windows.take(pane("agent.tool.calls", T0 + 10 * number, total, tool="b"))
        answer = windows.merged(CALLS, ("tool",), T0, T0 + 30)
        assert {group[1]: one.sum for group, one in answer.items()} == {
            "": 1e16 + 2.0,
            "b": 1e16 + 2.0,
        }


def test_the_greater_offset_is_the_newer_state() -> None:
    windows = Windows(MEMORY)
    assert windows.take(pane("agent.tool.calls", T0, 5.0, offset=7))
    assert not windows.take(pane("agent.tool.calls", T0, 3.0, offset=6))
    assert not windows.take(pane("agent.tool.calls", T0, 5.0, offset=7))
    assert windows.merged(CALLS, (), T0, T0 + 10)[("acme",)].sum == 5.0
    assert windows.take(pane("agent.tool.calls", T0, 6.0, offset=8))
    assert windows.merged(CALLS, (), T0, T0 + 10)[("acme",)].sum == 6.0


def test_buckets_are_added_up() -> None:
    windows = Windows(MEMORY)
    for partition, buckets in enumerate([(1, 0, 0, 0, 0, 0, 2), (0, 3, 0, 0, 0, 0, 1)]):
        source = ("log", partition, 1)
        windows.take(pane("agent.turn.duration_ms", T0, 9.0, source=source, buckets=buckets))
    merged = windows.merged((parse_selector("agent.turn.duration_ms"),), (), T0, T0 + 10)
    assert merged[("acme",)].buckets == [1, 3, 0, 0, 0, 0, 3]
    assert merged[("acme",)].count == 7


def test_of_a_gauge_the_largest_pane_counts() -> None:
    windows = Windows(MEMORY)
    for start, source, value in ((0, 0, 3.0), (0, 1, 4.0), (10, 0, 6.0)):
        windows.take(pane("agent.session.active", T0 + start, value, source=("log", source, 1)))
    selectors = (parse_selector("agent.session.active"),)
    assert windows.largest(selectors, (), T0, T0 + 20) == {("acme",): 7.0}


def test_a_selector_sees_tenants_and_one_tenant_can_be_asked_for() -> None:
    windows = Windows(MEMORY)
    for tenant in ("acme", "umbrella"):
        windows.take(pane("agent.tool.calls", T0, 1.0, tenant=tenant))
    only = (parse_selector('agent.tool.calls{tenant=~"a.*"}'),)
    assert set(windows.merged(only, (), T0, T0 + 10)) == {("acme",)}
    assert set(windows.merged(CALLS, (), T0, T0 + 10, "umbrella")) == {("umbrella",)}


def test_what_no_rule_reads_is_not_held() -> None:
    windows = Windows(MEMORY)
    assert not windows.take(pane("agent.compactions", T0, 1.0))
    assert windows.cells == 0


def test_what_is_older_than_the_longest_window_is_dropped() -> None:
    windows = Windows(MEMORY)
    for number in range(100):
        windows.take(pane("agent.tool.calls", T0 + 10 * number, 1.0))
        windows.advance(T0 + 10 * number + 10)
    assert windows.cells == 30
    assert windows.merged(CALLS, (), T0, T0 + 1000)[("acme",)].sum == 30.0
    assert not windows.take(pane("agent.tool.calls", T0, 1.0, offset=2))
    assert windows.dropped == 0


def test_beyond_the_bound_the_oldest_goes_and_is_counted() -> None:
    windows = Windows(MEMORY, max_cells=20)
    windows.advance(T0)
    windows.take(pane("agent.tool.calls", T0 + 10**8, 1.0))  # a clock that is years ahead
    for number in range(25):
        windows.take(pane("agent.tool.calls", T0 + 10 * number, 1.0))
    assert windows.cells <= 20
    assert windows.cells + windows.dropped == 26
    assert windows.merged(CALLS, (), T0 + 200, T0 + 250)[("acme",)].sum == 5.0
    assert ("acme",) not in windows.merged(CALLS, (), T0 + 10**8, T0 + 10**8 + 10)


def test_the_tenants_of_another_worker_are_forgotten() -> None:
    windows = Windows(MEMORY)
    for tenant in ("acme", "umbrella"):
        windows.take(pane("agent.tool.calls", T0, 1.0, tenant=tenant))
    windows.forget(["acme"])
    assert set(windows.merged(CALLS, (), T0, T0 + 10)) == {("umbrella",)}
    assert windows.cells == 1


def test_a_store_holds_what_its_rules_read() -> None:
    windows = Windows.for_rules(load().rules)
    windows.advance(T0)
    assert T0 - windows.floor("agent.tool.calls") == 300
    assert T0 - windows.floor("agent.turn.count") == 900
    assert T0 - windows.floor("agent.llm.calls") == 900


@given(st.lists(st.integers(0, 60), max_size=30), st.integers(0, 60), st.integers(2, 9))
def test_presence_knows_every_silence_that_matters(
    numbers: list[int], until: int, least: int
) -> None:
    presence = Presence()
    for number in numbers:
        presence.add(T0 + 10 * number, 10 * least + 10)
    end = T0 + 10 * until
    before = [number for number in numbers if number < until]
    found = presence.last(end)
    if not before:
        assert found is None
        return
    assert found is not None
    silent = 10 * (until - max(before)) - 10
    said = end - found - 10
    after = [number for number in numbers if number >= until]
    if silent >= 10 * least or not after:
        assert said == silent
    else:
        assert 0 <= said < 10 * least


@pytest.mark.parametrize(("apart", "silence"), [(60, 50), (50, 0)])
def test_a_gap_that_is_just_long_enough_is_a_silence(apart: int, silence: int) -> None:
    for starts in ((T0, T0 + apart), (T0 + apart, T0)):
        presence = Presence()
        for start in starts:
            presence.add(start, 60)
        found = presence.last(T0 + apart)
        assert found is not None
        assert apart - (found - T0) - 10 == silence


def test_presence_is_bounded_and_dropped() -> None:
    presence = Presence()
    for number in range(1000):
        presence.add(T0 + 10 * number, 310)
    assert len(presence._firsts) == 1
    presence.drop(T0 + 10**6)
    assert not presence


DATA = {
    "tenant": "acme", "metric": "agent.tool.failures", "labels": {"tool": "run_sql"},
    "start": T0, "seconds": 10, "log": "x", "partition": 3, "generation": 1234,
    "count": 2, "sum": 2.0, "buckets": [], "offset": 1260,
}  # fmt: skip


def test_records_are_read_as_they_are_agreed() -> None:
    record = decode(orjson.dumps(DATA))
    assert record == PaneRecord(
        "acme", "agent.tool.failures", ("run_sql",), T0, ("x", 3, 1234), 1260, 2, 2.0
    )
    told = Told(PaneKey("", 0, 0), WATERMARK, (), 1, T0 + 0.5, (), 70)
    assert decode(record_of(told, "x", 3)[1]) == Watermark(3, "x", T0 + 0.5, 70)
    assert decode(None) is None
    assert decode(orjson.dumps({**DATA, "metric": "agent.tomorrow"})) is None


@pytest.mark.parametrize(
    "value",
    [b"{", b"[]", b"3", orjson.dumps({**DATA, "buckets": [1]}), orjson.dumps({**DATA, "sum": "x"}),
     orjson.dumps({**DATA, "labels": []}), orjson.dumps({**DATA, "start": T0 + 1}),
     orjson.dumps({"metric": "agent.tool.calls"}),
     *(orjson.dumps({**DATA, "sum": odd}) for odd in ("nan", "inf", 1e308, -1e308)),
     *(orjson.dumps({**DATA, "metric": WATERMARK, "sum": odd}) for odd in ("nan", "inf")),
     orjson.dumps({**DATA, "count": 1e308})],
)  # fmt: skip
def test_what_is_no_record_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"agent\.metrics"):
        decode(value)
