"""How long an Odoo that fails is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from odoo_sync.pause import Pause

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(("chance", "waits"), [(1.0, [10, 20, 40, 80, 160, 300, 300]), (0.0, [5, 10, 20, 40, 80, 150])])
def test_waits_double_up_to_the_longest(chance, waits):
    pause = Pause(10, 300, lambda: chance)
    assert [(pause.note_failure(NOW) - NOW).total_seconds() for _ in waits] == waits


def test_it_is_over_in_time_and_after_a_success():
    pause = Pause(10, 300, lambda: 1.0)
    until = pause.note_failure(NOW)
    assert pause.is_on(NOW)
    assert not pause.is_on(until)
    pause.note_success()
    assert (pause.is_on(NOW), pause.has_failed) == (False, False)
    assert pause.note_failure(NOW) == until


def test_six_hours_and_three_hundred_days_of_failures():
    pause, now, calls = Pause(10, 300, lambda: 0.5), NOW, 0
    while now < NOW + timedelta(hours=6):
        now, calls = pause.note_failure(now), calls + 1
    assert calls < 110
    for _ in range(5000):
        pause.note_failure(now)


def test_a_clock_that_was_set_back_does_not_lengthen_it():
    pause = Pause(10, 300, lambda: 1.0)
    pause.note_failure(NOW)
    assert not pause.is_on(NOW - timedelta(hours=1))
