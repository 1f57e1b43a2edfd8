"""One partition: the same spans whatever is sent again, cut, killed, or falls silent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.streams.traces.made import Made, Place
from headrace.streams.traces.partition import Bounds, Partition
from tests.traces.making import BEGAN, NOW, Session, records, rows_of, spans_of, tree, turn
from tests.traces.test_spans import talkative

HOUR = 3600.0


def sessions() -> list[bytes]:
    """Three sessions side by side, one of which dies in its second turn and goes on elsewhere."""
    one, two = Session("one"), Session("two", "1" * 16)
    again = Session("one", "2" * 16, began=BEGAN + 60)
    lines = [*turn(one, tools=2), *turn(two, calls=2)]
    dying, other = turn(one, tools=3)[:9], turn(two, tools=2)
    lines += [line for pair in zip(dying, other[: len(dying)], strict=True) for line in pair]
    lines += other[len(dying) :]
    lines += [*turn(again), one.event("turn_end", {}), again.event("headrace.epoch_end")]
    left = Session("three", "3" * 16, began=BEGAN + 70)
    return [*lines, *turn(left)[:6], left.event("headrace.epoch_end")]


LINES = sessions()
WANT = spans_of(LINES)
TALKATIVE = talkative()


def read(state: Partition, given: list[Any], cuts: list[int]) -> list[Made]:
    made: list[Made] = []
    for begin, end in zip([0, *cuts], [*cuts, len(given)], strict=True):
        made += state.take(given[begin:end], NOW)
    return made


def saved(state: Partition, bounds: Bounds | None = None) -> Partition:
    """A state, through JSON."""
    return Partition.from_data(orjson.loads(orjson.dumps(state.as_data())), bounds or Bounds())


def test_the_sessions_are_as_they_should_be() -> None:
    dead = "invoke_agent main Error: abandoned: "
    assert sorted(line for line in tree(WANT) if not line.startswith(" ")) == [
        *["invoke_agent main"] * 4,
        f"{dead}another process began a turn of the session",
        f"{dead}its recording ended",
    ]


@given(st.lists(st.integers(0, len(LINES)), max_size=8).map(sorted))
def test_any_cut_into_batches_gives_the_same(cuts: list[int]) -> None:
    assert rows_of(read(Partition(Bounds()), records(LINES), cuts)) == WANT


@given(
    st.lists(st.tuples(st.integers(0, len(LINES)), st.integers(0, len(LINES))), max_size=4),
    st.lists(st.integers(0, len(LINES)), max_size=4).map(sorted),
)
def test_what_is_sent_again_makes_no_second_span(
    again: list[tuple[int, int]], cuts: list[int]
) -> None:
    """The spool sends a piece again behind what it has sent."""
    sent: list[bytes] = []
    place = 0
    for end, back in sorted(again):
        sent += [*LINES[place:end], *LINES[min(back, end) : end]]
        place = end
    sent += LINES[place:]
    state = Partition(Bounds())
    assert rows_of(read(state, records(sent), [min(c, len(sent)) for c in cuts])) == WANT
    assert state.take_counts().duplicates == len(sent) - len(LINES)


@given(st.data())
def test_a_restart_writes_what_is_left(data: st.DataObject) -> None:
    """Whatever was saved, and however much of what followed had landed."""
    given_ = records(LINES)
    at = data.draw(st.integers(0, len(given_)))
    state = Partition(Bounds())
    before = state.take(given_[:at], NOW)
    kept = saved(state)
    landed = state.take(given_[at:], NOW)
    landed = landed[: data.draw(st.integers(0, len(landed)))]
    for one in landed:
        kept.recall(one.place, one.id)
    after = kept.take(given_[at:], NOW)
    assert rows_of([*before, *landed, *after]) == WANT
    assert kept.take_counts().redone == len(landed)


def test_parents_are_there_and_hold_their_children() -> None:
    ids = {row["SpanId"]: row for row in WANT}
    assert len(ids) == len(WANT)
    children = [row for row in WANT if row["ParentSpanId"]]
    for row in children:
        parent = ids[row["ParentSpanId"]]
        assert parent["TraceId"] == row["TraceId"]
        assert parent["Timestamp"] <= row["Timestamp"]
        ends = (one["Timestamp"] + one["Duration"] for one in (row, parent))
        assert next(ends) <= next(ends)


KINDS = (
    ("turn_begin", {}),
    ("turn_end", {"status": "ok"}),
    *(("llm_call_started", {"attempt": n, "model": "m"}) for n in (1, 2)),
    *(("llm_call_completed", {"attempt": n}) for n in (1, 2)),
    *(("tool_start", {"tool": "agent_h", "call_id": c}) for c in "ab"),
    *(("tool_complete", {"call_id": c, "status": "ok"}) for c in "ab"),
    *(("tool_start", {"tool": "t", "call_id": c, "child_task_id": "k"}) for c in "ab"),
    ("tool_complete", {"call_id": "a", "child_task_id": "k"}),
    ("permission_decision", {"tool": "t", "call_id": "a", "child_session_id": "x"}),
    *(("agent_start", {"agent": "h", "child_task_id": k}) for k in "kl"),
    ("agent_start", {"agent": "h", "child_task_id": "b", "background": True}),
    *(("agent_end", {"child_task_id": k, "state": "completed"}) for k in "klb"),
    *(("agent_usage", {"child_task_id": k, "prompt_tokens": 1}) for k in "kb"),
    ("tool_result", {"call_id": "a", "content": "c"}),
    ("llm_text", {"chunk": "x"}),
    ("headrace.epoch_end", {}),
)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(KINDS), st.floats(-5, 5)), max_size=60),
    st.booleans(),
)
def test_any_events_make_sound_spans(
    given_: list[tuple[int, tuple[str, dict[str, Any]], float]], captured: bool
) -> None:
    """Each span once, its parent too, children within it, nothing left open."""
    all_of = [Session("s", str(n) * 16) for n in range(3)]
    lines = []
    for number, (kind, data), step in given_:
        all_of[number].ts += step
        lines.append(all_of[number].event(kind, data))
    ends = [one.event("headrace.epoch_end") for one in all_of]
    rows = spans_of([*lines, *ends], captured=captured)
    ids = {row["SpanId"]: row for row in rows}
    assert len(ids) == len(rows)
    begun = sum(kind == "turn_begin" for _, (kind, _), _ in given_)
    assert sum(not row["ParentSpanId"] for row in rows) == begun
    for row in rows:
        assert row["Duration"] >= 0
        parent = ids.get(row["ParentSpanId"], row)
        assert row["ParentSpanId"] in {"", parent["SpanId"]}
        assert parent["Timestamp"] <= row["Timestamp"]
        if "headrace.agent.background" not in repr(rows):
            end = parent["Timestamp"] + parent["Duration"]
            assert row["Timestamp"] + row["Duration"] <= end


def test_what_is_no_event_is_passed_over() -> None:
    state = Partition(Bounds())
    wrong = [None, b"", b"no", b'{"tenant":"a"}', Session().event("turn_begin", user="u" * 2000)]
    assert state.take(records([*wrong, *LINES]), NOW)
    assert state.take_counts().unreadable == len(wrong)


def test_a_turn_whose_beginning_is_gone_makes_no_spans() -> None:
    state = Partition(Bounds())
    assert state.take(records(turn(Session())[1:]), NOW) == []
    assert state.take_counts().ignored == 6


# ── agents that died ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ("headrace.epoch_end", "its recording ended"),
        ("turn_begin", "another turn of the epoch began"),
    ],
)
def test_a_turn_without_its_end(end: str, why: str) -> None:
    s = Session()
    rows = spans_of([*turn(s)[:6], s.event(end)])
    assert tree(rows)[0] == f"invoke_agent main Error: abandoned: {why}"
    (root,) = [row for row in rows if not row["ParentSpanId"]]
    assert root["SpanAttributes"]["error.type"] == "abandoned"


def test_silence_by_the_log() -> None:
    """Of the broker's time, whatever the agents' clocks say, and never of one who speaks."""
    quiet, loud = Session("quiet"), Session("loud", "1" * 16)
    lines = [*turn(quiet)[:7], loud.event("turn_begin")]
    given_ = records(lines)
    for minute in range(1, 62):
        (one,) = records([loud.event("llm_text")], first=len(given_))
        one.timestamp = given_[0].timestamp + minute * 60_000
        given_.append(one)
    state = Partition(Bounds())
    made = state.take(given_, NOW)
    died = "Error: abandoned: nothing was heard of it any more"
    assert tree(rows_of(made)) == [
        f"invoke_agent main {died}",
        "  chat claude-x +first_token",
        f"  execute_tool grep {died} +permission",
    ]
    assert {one.session for one in made} == {"quiet"}
    assert state.turns == 1
    # Its late end makes no second span.
    late = records([quiet.event("turn_end")], first=len(given_))
    assert state.take(late, NOW) == []
    assert state.take_counts().ignored == 1


def test_silence_is_the_same_after_a_restart_where_events_are_sent_again() -> None:
    one, two, other = Session("one"), Session("two", "1" * 16), Session("three", "2" * 16)
    begun, again = one.event("turn_begin"), two.event("turn_begin")
    told = [(again, 0), (begun, 500), (again, 600), (one.event("x"), 700)]
    told += [(other.event("turn_begin" if n == 0 else "x"), 1000 + n * 60) for n in range(30)]
    given = [
        SimpleNamespace(offset=n, timestamp=int((BEGAN + at) * 1000), value=line)
        for n, (line, at) in enumerate(told)
    ]
    bounds = Bounds(silence_ms=1_000_000)
    want = Partition(bounds).take(given, NOW)
    assert [made.session for made in want] == ["two", "one"]
    for cut in range(len(given)):
        state = Partition(bounds)
        made = state.take(given[:cut], NOW)
        assert made + saved(state, bounds).take(given[cut:], NOW) == want


def test_a_clock_that_is_ahead_closes_nothing() -> None:
    state = Partition(Bounds())
    given_ = records(turn(Session())[:4])
    given_[-1].timestamp = int((NOW + 7200) * 1000)
    assert state.take(given_, NOW) == []
    assert state.turns == 1


def test_silence_of_a_whole_partition_is_told_again_where_it_was() -> None:
    """No record says that time went by: what was written then does."""
    s = Session()
    lines = turn(s)
    given_ = records([*lines[:6], *lines[6:], *turn(s)])
    state = Partition(Bounds())
    kept = saved(state)
    first = state.take(given_[:6], BEGAN)
    now = given_[5].timestamp / 1000
    assert state.tick(now + HOUR - 1) == []
    silent = state.tick(now + HOUR + 1)
    assert {one.place for one in silent} == {Place(6, 0)}
    assert state.turns == 0
    rest = state.take(given_[6:], NOW)
    want = rows_of([*first, *silent, *rest])
    assert len([row for row in want if not row["ParentSpanId"]]) == 2
    for landed in range(len(silent) + 1):
        again = saved(kept)
        for one in [*first, *silent[:landed]]:
            again.recall(one.place, one.id)
        made = again.take(given_, NOW)
        if landed:  # else nothing tells that it had been closed, and its end is its own
            assert rows_of([*first, *silent[:landed], *made]) == want
        assert again.turns == 0


def test_too_much_under_way_closes_what_is_idle_for_longest() -> None:
    lines = [Session(f"s{n}", f"{n:016}").event("turn_begin") for n in range(5)]
    for bounds in (Bounds(spans=3), Bounds(epochs=3)):
        state = Partition(bounds)
        made = state.take(records(lines), NOW)
        assert [one.session for one in made] == ["s0", "s1"]
        assert {one.abandoned for one in made} == {"forgotten"}
        assert state.turns == 3


def test_too_much_said_under_way_closes_what_is_idle_for_longest() -> None:
    bounds = Bounds(characters=100_000)
    said = "kettle " * 2_000

    def began(first: int, last: int) -> list[bytes]:
        sessions = [Session(f"s{n}", f"{n:016}") for n in range(first, last)]
        return [one.event("turn_begin", {"user_message": said}) for one in sessions]

    lines = began(0, 40)
    state = Partition(bounds, captured=True)
    made = state.take(records(lines), NOW)
    assert {one.abandoned for one in made} == {"forgotten"}
    assert [one.session for one in made] == [f"s{n}" for n in range(len(made))]
    assert state.turns == 40 - len(made)
    assert 50_000 < len(orjson.dumps(state.as_data()["open"])) < 200_000

    # The same where it is read in two parts with a state between.
    one = Partition(bounds, captured=True)
    before = one.take(records(lines[:25]), NOW)
    data = orjson.loads(orjson.dumps(one.as_data()))
    two = Partition.from_data(data, bounds, captured=True)
    after = two.take(records(lines[25:], first=25), NOW)
    assert rows_of([*before, *after]) == rows_of(made)

    # What has ended counts no more, nor does anything where no content is captured.
    ended = Partition(bounds, captured=True)
    for n in range(40):
        s = Session(f"s{n}", f"{n:016}")
        lines = [
            s.event("turn_begin", {"user_message": said}),
            s.event("turn_end", {"status": "ok"}),
        ]
        assert [one.abandoned for one in ended.take(records(lines, first=2 * n), NOW)] == [None]
    assert not Partition(bounds).take(records(began(0, 40)), NOW)


def test_a_hundred_thousand_events_of_a_turn_leave_nothing() -> None:
    s = Session()
    state = Partition(Bounds())
    state.take(records([s.event("turn_begin")]), NOW)
    for first in range(0, 20_000, 5_000):
        lines = [line for n in range(first, first + 1000) for line in s.tool(f"c{n}")]
        state.take(records(lines, first=1 + first), NOW)
    assert len(orjson.dumps(state.as_data())) < 2000


def test_another_source_brings_again_what_was_seen() -> None:
    lines = turn(Session())
    state = Partition(Bounds())
    assert len(state.take(records(lines[:6]), NOW)) == 1
    again = saved(state)
    again.begin_again()
    assert tree(rows_of(again.take(records(lines), NOW)))[0].startswith("invoke_agent")
    assert again.take_counts().duplicates == 6


def test_what_is_to_be_forgotten_is_dropped_from_the_state() -> None:
    ann, bob = Session("ann"), Session("bob", "1" * 16)
    state = Partition(Bounds())
    given_ = records([*turn(ann)[:3], *turn(bob)[:3]])
    state.take(given_, NOW)
    assert state.erase(lambda *whose: whose == ("acme", "ann", "u")) == 2
    kept = orjson.dumps(state.as_data())
    assert (b'"ann"' in kept, b'"bob"' in kept) == (False, True)
    late = records([ann.event("turn_end"), bob.event("turn_end")], first=len(given_))
    assert {one.session for one in state.take(late, NOW)} == {"bob"}


def test_no_text_stands_in_a_state() -> None:
    for end in range(1, len(TALKATIVE)):
        state = Partition(Bounds())
        state.take(records(TALKATIVE[:end]), NOW)
        assert b"swordfish" not in orjson.dumps(state.as_data())
