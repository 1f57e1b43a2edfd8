from __future__ import annotations

import math
from dataclasses import dataclass

import click
import pytest

from headrace.cli.replay.pace import Pace, Speed
from tests.cli.conftest import Cli
from tests.cli.replay.conftest import Cast


@dataclass
class At:
    ts: float


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def times(speed: float, *at: float, max_gap: float = 5.0, work: float = 0.0) -> list[float]:
    clock = Clock()
    gaps: list[float] = []
    pace = Pace(speed, max_gap, gaps.append, clock, clock.sleep)
    shown = []
    for _ in pace.keep(At(ts) for ts in at):
        shown.append(round(clock.now - 100.0, 6))
        clock.now += work
    return [*shown, *gaps]


def test_it_takes_as_long_as_it_took() -> None:
    assert times(1.0, 7.0, 8.0, 8.5) == [0.0, 1.0, 1.5]
    assert times(10.0, 7.0, 8.0, 8.5) == [0.0, 0.1, 0.15]
    assert times(0.5, 7.0, 8.0) == [0.0, 2.0]
    assert times(math.inf, 7.0, 80.0) == [0.0, 0.0]


def test_a_long_gap_is_cut_and_told() -> None:
    assert times(1.0, 0.0, 60.0, 61.0) == [0.0, 5.0, 6.0, 60.0]
    assert times(10.0, 0.0, 60.0, 61.0, max_gap=2.0) == [0.0, 2.0, 2.1, 60.0]
    assert times(10.0, 0.0, 50.0) == [0.0, 5.0]


def test_a_time_that_falls_is_not_waited_for() -> None:
    assert times(1.0, 5.0, 4.0, 6.0) == [0.0, 0.0, 1.0]


def test_our_own_work_is_not_waited_for_again() -> None:
    assert times(1.0, 0.0, 1.0, 2.0, work=0.25) == [0.0, 1.0, 2.0]


def test_speeds_are_read() -> None:
    speed = Speed()
    assert [speed.convert(text, None, None) for text in ("1x", "10x", "0.5x")] == [1.0, 10.0, 0.5]
    assert speed.convert("max", None, None) == math.inf
    for wrong in ("", "x", "10", "0x", "-1x", "1e9x", "nanx", "0.0x"):
        with pytest.raises(click.BadParameter, match="is not a speed"):
            speed.convert(wrong, None, None)


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_at_any_speed_the_same_is_told(form: str, on_stack: Cli, cast: Cast) -> None:
    args = ("replay", "going-in-circles", "--tenant", cast.tenant, "--format", form)
    at_once = on_stack(*args)
    assert on_stack(*args, "--speed", "100000x").out == at_once.out
    assert on_stack(*args, "--speed", "max", "--max-gap", "1s").out == at_once.out
