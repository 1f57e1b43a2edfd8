from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.streams.alerts.progress import Progress
from headrace.streams.alerts.records import Watermark
from tests.alerts.support import T0


def beat(partition: int, watermark: float, at: float) -> Watermark:
    return Watermark(partition, "log", T0 + watermark, int(1000 * (T0 + at)))


def test_the_slowest_partition_is_waited_for() -> None:
    progress = Progress()
    assert progress.end(T0) == 0
    progress.take(beat(0, 25, 30), T0 + 30)
    progress.take(beat(1, 19.9, 30), T0 + 30)
    assert progress.end(T0 + 30) == T0 + 10
    progress.take(beat(1, 20, 31), T0 + 31)
    assert progress.end(T0 + 31) == T0 + 20


def test_a_partition_that_went_silent_is_not() -> None:
    progress = Progress()
    progress.take(beat(1, 5, 30), T0 + 30)
    for second in range(30, 50):
        progress.take(beat(0, second, second), T0 + second)
        assert progress.end(T0 + second) == T0 + (0 if second <= 42 else 40)
    progress.take(beat(1, 6, 50), T0 + 50)  # back again, and behind: it never goes back
    assert progress.end(T0 + 50) == T0 + 40


def test_a_clock_that_is_ahead_judges_no_future() -> None:
    progress = Progress()
    progress.take(beat(0, 10**9, 30), T0 + 30)
    assert progress.end(T0 + 30) == T0 + 30


def test_an_older_heartbeat_changes_nothing() -> None:
    progress = Progress()
    progress.take(beat(0, 30, 31), T0 + 31)
    progress.take(beat(0, 10, 30), T0 + 31)
    assert progress.end(T0 + 31) == T0 + 30


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.floats(-100, 1000), st.floats(0, 3)),
        min_size=1,
        max_size=30,
    )
)
def test_it_is_a_panes_end_that_is_over_and_never_goes_back(
    beats: list[tuple[int, float, float]],
) -> None:
    progress = Progress()
    now, before = 0.0, 0
    for partition, watermark, later in beats:
        now += later
        progress.take(beat(partition, watermark, now), T0 + now)
        end = progress.end(T0 + now)
        assert end % 10 == 0
        assert before <= end <= T0 + now
        before = end
