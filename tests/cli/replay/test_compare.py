"""Two sessions side by side: real ones of the demo's cast, and made ones."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.cli.replay.diff.compare import Diff, compare
from headrace.cli.replay.entries import Entry, Event
from headrace.cli.replay.story import Story, turns
from headrace.cli.replay.sums import About, Sums
from headrace.cli.replay.timeline import build
from headrace.streams.metrics import prices
from tests.cli.conftest import Cli
from tests.cli.replay.conftest import Cast
from tests.cli.test_timeline import HOSTILE, events

Steps = list[tuple[str, dict[str, Any]]]


def story(stream: list[Event]) -> Story:
    about, sums = About("t", "s"), Sums(prices.load())
    return Story(about, list(sums.watch(build(about.watch(stream)))), sums)


def of(*steps: tuple[str, dict[str, Any]]) -> Story:
    return story(events(*steps))


def statuses(diff: Diff) -> list[tuple[str, str]]:
    return [(row.kind, row.status) for row in diff.rows if row.status != "same"]


def assert_whole(diff: Diff) -> None:
    """Each entry of both sides stands there once, and in order."""
    assert [id(row.left) for row in diff.rows if row.left] == list(map(id, diff.left.entries))
    assert [id(row.right) for row in diff.rows if row.right] == list(map(id, diff.right.entries))


NOT_EMPTY = HOSTILE.filter(lambda steps: bool(list(build(events(*steps)))))


@settings(max_examples=40)
@given(NOT_EMPTY, NOT_EMPTY)
def test_every_entry_of_both_sides_stands_once_and_in_order(left: Steps, right: Steps) -> None:
    assert_whole(compare(of(*left), of(*right)))


@given(NOT_EMPTY)
def test_nothing_differs_from_itself(steps: Steps) -> None:
    assert statuses(compare(of(*steps), of(*steps))) == []


@given(NOT_EMPTY, st.integers())
def test_times_and_tokens_make_no_difference(steps: Steps, seed: int) -> None:
    rng = random.Random(seed)
    for kind, data in steps:
        if kind == "llm_call_completed":
            data["prompt_tokens"] = 1
    later = [
        Event("ffff", e.seq, e.ts * 2 + rng.random() / 100, e.type, e.data, turn=e.turn)
        for e in events(*steps)
    ]
    for event in later:
        if event.type == "llm_call_completed":
            event.data["prompt_tokens"] = 2  # type: ignore[index]
    assert statuses(compare(of(*steps), story(later))) == []


def test_turns_are_cut_and_nothing_is_left_out() -> None:
    whole = list(
        build(
            events(
                ("session_start", {}),
                *[("turn_begin", {"user_message": "a"}), ("x", {}), ("turn_end", {})] * 2,
                ("session_end", {}),
            )
        )
    )
    parts = turns(whole)
    assert [entry for part in parts for entry in part] == whole
    assert [[entry.kind for entry in part] for part in parts] == [
        ["note"],
        ["turn", "user", "note", "turn"],
        ["turn", "user", "note", "turn"],
        ["note"],
    ]


def call(name: str, args: dict[str, Any], answer: str, number: int = 1) -> Steps:
    about = {"tool": name, "call_id": f"c-{number}-{random.random()}"}
    return [
        ("tool_start", {**about, "args": args}),
        ("tool_complete", {**about, "status": "ok", "duration_ms": random.randint(1, 99)}),
        ("tool_result", {**about, "content": answer}),
    ]


def test_tools_are_the_same_or_say_what_changed() -> None:
    begin = ("turn_begin", {"user_message": "hello"})
    left = of(
        begin, *call("a", {"x": 1}, "1"), *call("b", {"x": 1}, "1"), *call("c", {}, "1"),
        *call("gone", {}, "1"),
    )  # fmt: skip
    right = of(
        begin, *call("a", {"x": 1}, "1"), *call("b", {"x": 2}, "1"), *call("c", {}, "2"),
        *call("new", {}, "1"),
    )  # fmt: skip
    diff = compare(left, right)
    found = [
        (row.status, (row.left or row.right or Entry(0, "", "")).headline.split(",")[0])
        for row in diff.rows
        if row.status != "same"
    ]
    assert [one for one in found if "c" in one[1].split()] == [("result changed", "tool c result")]
    assert ("args changed", "tool b started") in found
    assert {status for status, text in found if "gone" in text} == {"missing"}
    assert {status for status, text in found if "new" in text} == {"extra"}
    first = diff.first(words=True)
    assert first is not None
    assert first[1].status == "args changed"


def test_an_extra_turn_shifts_nothing() -> None:
    def turn(asked: str) -> Steps:
        return [
            ("turn_begin", {"user_message": asked}),
            *call("t", {"q": asked}, asked),
            ("turn_end", {"status": "ok"}),
        ]

    diff = compare(of(*turn("one"), *turn("two")), of(*turn("one"), *turn("new"), *turn("two")))
    assert {row.status for row in diff.rows} == {"same", "extra"}
    assert [len(part) for part in diff.parts] == [6, 6, 6]


@pytest.mark.parametrize("session", ["refund-agreed", "monthly-revenue", "ask-the-researcher"])
def test_a_real_session_is_the_same_as_itself(session: str, on_stack: Cli, cast: Cast) -> None:
    args = ("replay", session, "--tenant", cast.tenant, "--diff", session, "--json")
    (found,) = on_stack(*args).objects
    assert found["same"]
    assert found["counts"] == {"same": len(found["rows"])}
    assert found["first_divergence"] is None


def test_a_good_and_a_bad_run(on_stack: Cli, cast: Cast) -> None:
    args = ("replay", "refund-agreed", "--diff", "refund-refused", "--tenant", cast.tenant)
    (found,) = on_stack(*args, "--json").objects
    assert not found["same"]
    rows = found["rows"]
    first = rows[found["first_divergence"]]
    assert (first["status"], first["left"]["kind"]) == ("text changed", "user")
    deed = rows[found["first_divergence_in_deeds"]]
    assert (deed["status"], deed["left"]["headline"]) == ("args changed", "tool get_order started")
    answered = [row for row in rows if row["left"] and "confirmation:" in row["left"]["headline"]]
    assert [row["status"] for row in answered] == ["result changed"]
    assert [found[side]["sums"]["errors"] for side in ("left", "right")] == [0, 1]
    assert found["left"]["sums"]["cost_usd"] > 0
    told = on_stack(*args)
    assert told.code == 0
    assert "first in what was done: turn 1, args changed: tool get_order started at" in told.out
    assert "\n-                order_id: o-0988\n" in told.out
    assert "\n+                order_id: o-0417\n" in told.out


def test_both_tenants_are_asked(on_stack: Cli, cast: Cast) -> None:
    args = ("replay", "small-talk", "--tenant", cast.tenant, "--diff", "small-talk")
    ran = on_stack(*args, "--other-tenant", "nobody")
    assert ran.code == 2
    # Other tests' tenants on the stack have a session of that name, too.
    told = ran.err.partition("of tenant nobody; but one of ")[2].partition(": ")[0]
    assert cast.tenant in told.split(", ")
    assert on_stack(*args, "--other-tenant", cast.tenant).code == 0
