"""How late, how early, how many in a minute: what the benchmark of the paced rack counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lateness import Late, control_timer, lateness_ms, most_in_a_minute
from benchmarks.runs import middle, percentile

SUBMITS = st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 4)), max_size=40)


def test_a_submit_is_due_by_the_parts_of_the_one_before():
    submits = {"a": [(0, 1), (600, 3), (2_450, 1)], "b": [(100, 1)]}
    assert lateness_ms(submits, 100) == [0, 50]


def test_early_is_below_zero_and_the_order_of_rows_does_not_matter():
    assert lateness_ms({"a": [(590, 1), (0, 1)]}, 100) == [-10]


def test_sims_are_not_due_by_each_other():
    assert lateness_ms({"a": [(0, 1)], "b": [(1, 1)]}, 100) == []


def test_a_minute_ends_before_the_next_one_begins():
    assert most_in_a_minute({"a": [(0, 1), (59_999, 2)]}) == 3
    assert most_in_a_minute({"a": [(0, 1), (60_000, 2)]}) == 2
    assert most_in_a_minute({"a": [(0, 1)], "b": [(0, 1)]}) == 1
    assert most_in_a_minute({}) == 0


@given(SUBMITS)
def test_the_most_in_a_minute_is_that_of_every_window(submits):
    windows = [sum(parts for at, parts in submits if start <= at < start + 60_000) for start, _ in submits]
    assert most_in_a_minute({"a": submits}) == max(windows, default=0)


@given(SUBMITS, st.integers(1, 600))
def test_what_is_never_early_keeps_the_limit(submits, per_minute):
    """One submit more than the limit fits between both ends of a minute."""
    if all(late >= 0 for late in lateness_ms({"a": submits}, per_minute)):
        assert most_in_a_minute({"a": submits}) <= per_minute + max((parts for _, parts in submits), default=0)


def test_a_summary_of_nothing_is_zero():
    assert Late.of([]) == Late(0, 0, 0, 0)
    assert Late.of([7.0]) == Late(7, 7, 7, 7)


def test_percentiles_lie_between_the_values():
    assert percentile(range(101), 50) == 50
    assert percentile(range(101), 99) == 99


def test_repeats_give_the_median_and_of_what_must_not_be_the_worst():
    runs = [{"rate": 10, "lost": 0}, {"rate": 30, "lost": 2}, {"rate": 20, "lost": 0}]
    assert middle(runs, worst=("lost",)) == {"rate": 20, "lost": 2}


def test_the_control_wakes_again_and_again_and_not_before_its_time(eventually):
    with control_timer(200) as late_ms:
        eventually(lambda: len(late_ms) >= 5)
    assert min(late_ms) >= -0.1
