"""Limits of a SIM, by cases and against brute force."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from host_controller.rules.limits import (
    GUARD_SLACK,
    GuardLimit,
    SendHistory,
    SimLimits,
    history_start,
    local_day_start,
    next_allowed,
)
from host_controller.rules.waiting import WaitReason

PRAGUE = ZoneInfo("Europe/Prague")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LOOSE = GuardLimit(10_000, 60)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_an_unused_sim_may_send_at_once():
    limits = SimLimits(20, 500, GuardLimit(30, 60), PRAGUE)
    assert next_allowed(limits, SendHistory(), 10, NOON).allowed_at == NOON


def test_spacing_is_by_the_parts_of_the_last_message():
    limits = SimLimits(20, None, LOOSE, PRAGUE)
    verdict = next_allowed(limits, SendHistory([(at(-2), 3)]), 1, NOON)
    assert (verdict.allowed_at, verdict.reason) == (at(7), WaitReason.PACE)


def test_a_sixth_of_the_guard_stays_free():
    guard = GuardLimit(30, 60)
    assert guard.usable_parts == 25
    limits = SimLimits(6000, None, guard, PRAGUE)
    history = SendHistory([(at(-30), 20), (at(-10), 4)])
    assert next_allowed(limits, history, 1, NOON).allowed_at == NOON
    verdict = next_allowed(limits, history, 2, NOON)
    assert (verdict.allowed_at, verdict.reason) == (at(-30) + guard.window, WaitReason.GUARD)


def test_the_longest_message_passes_a_small_guard_when_its_window_is_empty():
    limits = SimLimits(6000, None, GuardLimit(10, 60), PRAGUE)
    assert next_allowed(limits, SendHistory(), 10, NOON).allowed_at == NOON
    assert next_allowed(limits, SendHistory([(at(-1), 1)]), 10, NOON).allowed_at == at(-1) + limits.guard.window


def test_over_the_daily_limit_it_waits_for_midnight():
    limits = SimLimits(6000, 10, LOOSE, PRAGUE)
    history = SendHistory([(at(-3600), 9)])
    assert next_allowed(limits, history, 1, NOON).allowed_at == NOON
    verdict = next_allowed(limits, history, 2, NOON)
    assert (verdict.allowed_at, verdict.reason) == (datetime(2026, 11, 25, 23, tzinfo=UTC), WaitReason.QUOTA)


def test_days_of_23_and_25_hours():
    spring = datetime(2026, 3, 29, 20, tzinfo=UTC)
    autumn = datetime(2026, 10, 25, 20, tzinfo=UTC)
    assert local_day_start(spring, PRAGUE) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert local_day_start(autumn, PRAGUE) == datetime(2026, 10, 24, 22, tzinfo=UTC)
    limits = SimLimits(6000, 10, LOOSE, PRAGUE)
    full = SendHistory([(autumn - timedelta(hours=21), 10)])
    assert next_allowed(limits, full, 1, autumn).allowed_at == datetime(2026, 10, 25, 23, tzinfo=UTC)


def test_a_clock_set_back_forgets_nothing_and_does_not_wait_for_the_future():
    limits = SimLimits(60, 10, LOOSE, PRAGUE)
    history = SendHistory([(at(3600), 10)])
    assert next_allowed(limits, history, 1, NOON).reason is WaitReason.QUOTA
    history = SendHistory([(at(3600), 2)])
    assert next_allowed(limits, history, 1, NOON).allowed_at == at(2)
    assert next_allowed(limits, history, 1, at(2)).allowed_at == at(2)


@settings(max_examples=150)
@given(
    st.integers(1, 120),
    st.integers(10, 60),
    st.integers(10, 40),
    st.lists(st.tuples(st.integers(1, 10), st.floats(0, 30)), min_size=1, max_size=40),
)
def test_no_window_is_ever_over_its_limit(per_minute, per_day, guard_parts, sends):
    guard = GuardLimit(guard_parts, 60)
    limits = SimLimits(per_minute, per_day, guard, PRAGUE)
    history, now = SendHistory(), NOON
    done: list[tuple[datetime, int]] = []
    for parts, pause_s in sends:
        now += timedelta(seconds=pause_s)
        allowed_at = next_allowed(limits, history, parts, now).allowed_at
        assert allowed_at >= now
        for _ in range(50):
            now = max(now, allowed_at)
            allowed_at = next_allowed(limits, history, parts, now).allowed_at
            if allowed_at <= now:
                break
        history.append(now, parts)
        history.prune(history_start(limits, now))
        done.append((now, parts))
    window = timedelta(seconds=60) + GUARD_SLACK
    for start, first in done:
        inside = sum(parts for t, parts in done if start <= t < start + window)
        assert inside <= max(guard.usable_parts, first)
        assert inside <= guard_parts
        day = start.astimezone(PRAGUE).date()
        assert sum(parts for t, parts in done if t.astimezone(PRAGUE).date() == day) <= per_day
    for (t1, parts), (t2, _) in itertools.pairwise(done):
        assert t2 - t1 >= timedelta(minutes=parts / per_minute)
