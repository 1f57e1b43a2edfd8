from __future__ import annotations

import json
import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.streams.metrics import prices
from headrace.streams.metrics.observe import OBSERVERS
from headrace.streams.metrics.panes_log import record_of
from headrace.streams.metrics.partition import Bounds, Partition, Told

from .events import Record, counted, event, merged, records

PRICES = prices.load()
TIGHT = Bounds(epochs=3, cells=12, series=2, totals=6)

kinds = st.sampled_from(["tool_complete", "llm_text", "turn_end", "llm_call_completed", "made_up"])
bodies = st.sampled_from(
    [
        {"tool": "grep", "status": "ok", "duration_ms": 12},
        {"tool": "sed", "status": "error", "duration_ms": 3},
        {"tool": "awk", "status": "ok"},
        {"status": "ok", "prompt_tokens": 7, "completion_tokens": 2, "cache_read_tokens": 3},
        {"chunk": "x"},
    ]
)
events = st.builds(
    event,
    st.integers(1, 12),
    kinds,
    bodies,
    tenant=st.sampled_from(["acme", "globex"]),
    session=st.sampled_from(["a", "b", "c"]),
    ts=st.sampled_from([1_764_000_000.5, 1_764_000_011.0, 1_764_000_400.0, 1_763_000_000.0]),
)
streams = st.lists(events | st.just(b"rubbish") | st.none(), max_size=60)


def identity(value: bytes) -> tuple[str, str, int]:
    one = json.loads(value)
    return one["tenant"], one["session"], one["seq"]


def by_labels(told: list[Told], metric: str) -> dict[tuple[str, ...], float]:
    return {
        labels: total for (_, name, labels, _), (_, total) in merged(told).items() if name == metric
    }


def read(values: list[Any], bounds: Bounds | None = None) -> Partition:
    state = Partition(PRICES, bounds)
    state.take(records(values))
    return state


@given(streams)
def test_every_event_counts_once_in_its_pane(values: list[bytes | None]) -> None:
    good = [v for v in values if v not in (None, b"rubbish")]
    # The same identity with other content is corruption, which the first of them wins.
    first = {
        (e["tenant"], e["session"], e["seq"]): v for v in reversed(good) for e in [json.loads(v)]
    }
    sums = merged(read(values).tell())
    for kind in ("tool_complete", "llm_text", "made_up"):
        got = {
            (tenant, start): count
            for (tenant, metric, labels, start), (count, _) in sums.items()
            if metric == "agent.events" and labels == (kind,)
        }
        assert got == counted(first.values(), kind)


@given(streams, st.integers(0, 60), st.sampled_from([None, TIGHT]), st.randoms())
def test_a_restart_anywhere_and_other_batches_give_the_same(
    values: list[bytes | None], cut: int, bounds: Bounds | None, draw: random.Random
) -> None:
    whole, log = Partition(PRICES, bounds), records(values)
    whole_told = []
    for record in log:
        whole.take([record])
        if draw.random() < 0.2:
            whole_told += whole.tell()
    whole_told += whole.tell()

    state = Partition(PRICES, bounds)
    state.take(log[:cut])
    told = state.tell()
    saved = orjson.dumps(state.as_data())
    state.take(log[cut:])  # what it told after it was saved, and then it died
    told += state.tell()
    state = Partition.from_data(orjson.loads(saved), PRICES, bounds)
    told += state.tell_all()
    state.take(log)  # from wherever: what is in the state already is passed over
    told += state.tell()

    assert merged(told) == merged(whole_told)
    assert state.as_data() == whole.as_data()
    assert set(told) >= set(whole.tell_all())


@given(streams)
def test_a_spool_shipped_again_changes_nothing(values: list[bytes | None]) -> None:
    once, twice = read(values), read(values + values)
    assert merged(once.tell()) == merged(twice.tell())


def test_an_evicted_pane_reopens_as_another_generation_and_the_sum_is_right() -> None:
    values = [event(n, "made_up", ts=1_764_000_000.0 + 10 * (n % 40)) for n in range(1, 401)]
    state = Partition(PRICES, Bounds(cells=10))
    told = []
    for record in records(values):
        state.take([record])
        told += state.tell()
    assert len({one.key for one in told}) > 100  # panes came and went
    sums = merged(told)
    got = {
        (tenant, start): count
        for (tenant, metric, labels, start), (count, _) in sums.items()
        if metric == "agent.events"
    }
    assert got == counted(values, "made_up")


def test_series_beyond_the_bound_are_one_and_counted() -> None:
    values = [event(n, "tool_complete", {"tool": f"t{n}", "status": "ok"}) for n in range(1, 21)]
    told = read(values, Bounds(series=5)).tell()
    calls = by_labels(told, "agent.tool.calls")
    assert len(calls) == 6
    assert calls["other", "other"] == 15
    assert by_labels(told, "agent.series.other")["agent.tool.calls",] == 15


def test_totals_are_the_sum_of_all_panes_however_many_were_closed() -> None:
    values = [event(n, "made_up", ts=1_764_000_000.0 + 10 * n) for n in range(1, 101)]
    state = Partition(PRICES, Bounds(cells=10))
    for record in records(values):
        state.take([record])
        state.tell()
    assert state.totals.series["acme", "agent.events", ("made_up",)].sum == 100


def test_late_events_are_counted_where_they_arrive() -> None:
    late = Record(0, event(1, "made_up", ts=1_764_000_000.0), 1_764_000_075_000)
    state = Partition(PRICES)
    state.take([late])
    sums = merged(state.tell())
    assert sums["acme", "agent.events.late", (), 1_764_000_070] == (1, 65.0)
    assert sums["acme", "agent.events", ("made_up",), 1_764_000_000] == (1, 1.0)


@pytest.mark.parametrize(
    "data",
    [
        {"tool": ["a"], "status": {"b": 1}, "duration_ms": "12"},
        {"tool": None, "status": True, "duration_ms": -1},
        {"tool": "x" * 10_000, "status": "\x1b[31m", "duration_ms": 1e300},
        {},
    ],
)
def test_hostile_data_is_counted_and_never_an_error(data: dict[str, Any]) -> None:
    kinds = [*OBSERVERS, "llm_text", "x" * 1000]
    state = read([event(seq, kind, data) for seq, kind in enumerate(kinds, 1)])
    sums = merged(state.tell())
    for series in sums:
        assert all(len(value) <= 120 for value in series[2])
    counted = [n for (_, metric, _, _), (n, _) in sums.items() if metric == "agent.events"]
    assert sum(counted) == len(kinds)


@pytest.mark.parametrize(
    "data",
    [
        b'{"tool":"t","status":"ok","duration_ms":1e400}',
        b'{"tool":"t","deep":' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"tool":"t","duration_ms":NaN}',
        b'{"tool":"\\ud800"}',
        b'{"tool":"t","duration_ms":123456789012345678901234567890}',
        b'{"tool":"t","tool":"u"}',
        b'{"tool":"\xff","status":"ok"}',
        b'{"\xc3":1}',
    ],
)
def test_odd_json_stops_nobody(data: bytes) -> None:
    line = event(1).replace(b'"data": {}', b'"data": ' + data)
    assert data in line
    state = read([line, event(2, "made_up")])
    assert state.offset == 2
    assert by_labels(state.tell(), "agent.events")["made_up",] == 1


@pytest.mark.parametrize("name", ["tenant", "session", "epoch", "type"])
@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80", b"\\ud800"])
def test_an_envelope_that_is_no_unicode_is_skipped(name: str, text: bytes) -> None:
    changed: dict[str, Any] = {"kind" if name == "type" else name: "ODD"}
    odd = event(1, **changed).replace(b"ODD", text)
    state = read([odd, event(2, "made_up")])
    assert (state.offset, state.skipped) == (2, 1)
    assert by_labels(state.tell(), "agent.events") == {("made_up",): 1}


@pytest.mark.parametrize("name", ["tenant", "session", "epoch"])
def test_a_name_as_long_as_an_event_is_skipped(name: str) -> None:
    long: dict[str, Any] = {name: "\x00" * 1025}
    longest: dict[str, Any] = {name: "\x00" * 1024}
    state = read([event(1, **long), event(2, **longest)])
    assert state.skipped == 1
    told = state.tell()
    assert sum(by_labels(told, "agent.events").values()) == 1
    for one in told:
        key, value = record_of(one, "log", 0)
        assert len(key) + len(value) < 20_000


def test_an_error_without_a_name_has_the_one_that_the_conventions_give_it() -> None:
    state = read(
        [
            event(1, "llm_call_completed", {"status": "error", "duration_ms": 5}),
            event(2, "llm_call_completed", {"status": "ok", "duration_ms": 5}),
            event(3, "tool_complete", {"tool": "sed", "duration_ms": 5}),
        ]
    )
    told = state.tell()
    assert set(by_labels(told, "gen_ai.client.operation.duration")) == {("", "_OTHER"), ("", "")}
    assert set(by_labels(told, "gen_ai.execute_tool.duration")) == {("sed", "_OTHER")}
    assert set(by_labels(told, "agent.llm.errors")) == {("", "unknown", "other")}
