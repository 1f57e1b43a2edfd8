from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.verify import ranges

NUMBERS = st.sets(st.integers(1, 60))
PAIRS = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)))


def numbers_in(pairs: ranges.Ranges) -> set[int]:
    return {number for first, last in pairs for number in range(first, last + 1)}


@given(NUMBERS)
def test_numbers_go_in_and_come_out(numbers: set[int]) -> None:
    packed = ranges.of(numbers)
    assert numbers_in(packed) == numbers
    assert ranges.size(packed) == len(numbers)
    assert all(left[1] + 1 < right[0] for left, right in pairwise(packed))


def test_what_touches_is_one_range() -> None:
    assert ranges.normalize([(4, 5), (1, 3)]) == ((1, 5),)


@given(PAIRS)
def test_normal_form_is_sorted_and_apart(pairs: list[tuple[int, int]]) -> None:
    packed = ranges.normalize(pairs)
    assert numbers_in(packed) == numbers_in(tuple(pairs))
    assert all(left[1] + 1 < right[0] for left, right in pairwise(packed))


@given(NUMBERS, NUMBERS)
def test_intersection_and_difference_are_those_of_sets(left: set[int], right: set[int]) -> None:
    a, b = ranges.of(left), ranges.of(right)
    assert ranges.intersect(a, b) == ranges.of(left & right)
    assert ranges.subtract(a, b) == ranges.of(left - right)
