"""When a message that was heard of is read: soon, never before its row can be there, and not again and again."""

from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from host_controller.rules.hearing import Hearing


def test_what_was_heard_is_read_a_moment_later():
    hearing = Hearing(1.0, 3.0)
    assert hearing.due_s == math.inf
    assert hearing.note(10.0)
    assert hearing.due_s == 11.0
    hearing.begin_reading(11.2)
    assert hearing.due_s == math.inf


def test_more_of_it_changes_nothing_and_nobody_need_be_told():
    hearing = Hearing(1.0, 3.0)
    hearing.note(10.0)
    assert not hearing.note(10.1)
    assert hearing.due_s == 11.0


def test_what_may_have_come_too_late_for_a_reading_is_read_once_more():
    hearing = Hearing(1.0, 3.0)
    hearing.note(10.0)
    hearing.note(10.9)
    hearing.begin_reading(11.0)
    assert hearing.due_s == 14.0
    hearing.begin_reading(14.0)
    assert hearing.due_s == math.inf


def test_a_round_that_came_first_spares_it_unless_it_was_too_early():
    hearing = Hearing(1.0, 3.0)
    hearing.note(10.0)
    hearing.begin_reading(10.5)
    assert hearing.due_s == 11.0
    hearing = Hearing(2.0, 3.0)
    hearing.note(10.0)
    hearing.begin_reading(12.5)
    assert hearing.due_s == math.inf


def test_two_such_readings_keep_their_distance_but_a_round_counts_for_none():
    hearing = Hearing(1.0, 3.0)
    hearing.begin_reading(9.9)
    hearing.note(10.0)
    assert hearing.due_s == 11.0
    hearing.begin_reading(11.0)
    assert hearing.note(11.1)
    assert hearing.due_s == 14.0


def test_where_nothing_was_found_it_is_read_once_more():
    """The app that writes the row had to be started first."""
    hearing = Hearing(1.0, 3.0)
    hearing.note(10.0)
    hearing.begin_reading(11.0)
    hearing.end_reading(11.0, found_any=False)
    assert hearing.due_s == 14.0
    hearing.begin_reading(14.0)
    hearing.end_reading(14.0, found_any=False)
    assert hearing.due_s == math.inf


def test_what_was_found_is_not_looked_for_again():
    hearing = Hearing(1.0, 3.0)
    hearing.note(10.0)
    hearing.begin_reading(11.0)
    hearing.end_reading(11.0, found_any=True)
    hearing.begin_reading(26.0)
    hearing.end_reading(26.0, found_any=False)
    assert hearing.due_s == math.inf


def test_a_round_that_finds_nothing_asks_for_no_other():
    hearing = Hearing(1.0, 3.0)
    hearing.begin_reading(10.0)
    hearing.end_reading(10.0, found_any=False)
    assert hearing.due_s == math.inf


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=60), st.booleans())
def test_a_flood_neither_hurries_nor_starves_it(steps, found_any):
    """Whatever is heard, and whenever somebody reads: each is read once its row is there, within a pause of that."""
    hearing, now_s, unread, heard_readings = Hearing(1.0, 3.0), 0.0, [], []

    def read():
        unread[:] = [heard_s for heard_s in unread if now_s < heard_s + 1.0]
        hearing.begin_reading(now_s)
        hearing.end_reading(now_s, found_any=found_any)

    for step_s, is_round in steps:
        until_s = now_s + step_s
        while hearing.due_s <= until_s:
            now_s = hearing.due_s
            heard_readings.append(now_s)
            read()
        now_s = until_s
        assert all(now_s <= heard_s + 4.0 for heard_s in unread)
        if is_round:
            read()
        else:
            hearing.note(now_s)
            unread.append(now_s)
    assert all(later - earlier >= 3.0 - 1e-9 for earlier, later in itertools.pairwise(heard_readings))
