"""How far a phone has looked, and when it begins anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from host_controller.messaging.depth import Depth

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def look(depth: Depth, now: datetime, *, changes: int = 0, phones: int = 1, cut: int | None = None) -> int:
    depth.begin(now, changes, phones)
    after = depth.after("otp")
    if cut is not None:
        depth.cut("otp", cut)
    return after


def test_the_next_look_goes_on_from_where_the_last_one_ended():
    depth = Depth()
    assert depth.goes_on_at is None
    assert look(depth, NOON, cut=100) == 0
    assert depth.goes_on_at == NOON + timedelta(seconds=0.2)
    assert look(depth, NOON, cut=200) == 100
    assert look(depth, NOON) == 200
    assert depth.goes_on_at is None


def test_the_more_phones_look_the_longer_each_of_them_rests():
    depth = Depth()
    look(depth, NOON, cut=100, phones=50)
    assert depth.goes_on_at == NOON + timedelta(seconds=10)


def test_it_begins_anew_after_some_minutes_and_soon_where_something_changed():
    for changes, minutes in ((0, 10), (1, 1)):
        depth = Depth()
        look(depth, NOON, cut=100)
        assert look(depth, NOON + minutes * MINUTE, changes=changes) == 100
        assert look(depth, NOON + minutes * MINUTE + timedelta(seconds=0.4), changes=changes) == 0


def test_a_long_way_is_gone_to_its_end_whatever_changes_meanwhile():
    depth, now = Depth(), NOON
    for n in range(400):
        assert look(depth, now, changes=n, cut=(n + 1) * 100, phones=100) == n * 100
        assert depth.goes_on_at is not None
        now = depth.goes_on_at
    assert now - NOON > 100 * MINUTE


def test_a_clock_that_was_set_back_keeps_nothing_for_ever():
    depth = Depth()
    look(depth, NOON, cut=100)
    assert look(depth, NOON - MINUTE) == 0
