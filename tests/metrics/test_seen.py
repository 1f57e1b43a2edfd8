from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.streams import seen
from headrace.streams.seen import Seen

numbers = st.lists(st.integers(1, 60), max_size=80)


@given(numbers)
def test_each_number_counts_once_in_any_order(order: list[int]) -> None:
    here, before = Seen(), set[int]()
    for seq in order:
        assert here.add(seq) == (seq not in before)
        before.add(seq)
    assert here.missing == max(before, default=0) - len(before)


@given(numbers, numbers)
def test_what_was_saved_goes_on_as_it_was(first: list[int], then: list[int]) -> None:
    here = Seen()
    for seq in first:
        here.add(seq)
    again = Seen(here.contiguous, [list(span) for span in here.spans])
    assert [here.add(seq) for seq in then] == [again.add(seq) for seq in then]


def test_its_memory_is_bounded_and_it_still_counts_nothing_twice() -> None:
    here = Seen()
    scattered = list(range(2, 4 * seen.MAX_SPANS, 2))
    assert all(here.add(seq) for seq in scattered)
    assert len(here.spans) <= seen.MAX_SPANS
    assert not any(here.add(seq) for seq in scattered)
