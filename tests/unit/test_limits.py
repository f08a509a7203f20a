"""What a guard leaves us, and that no window of a SIM is ever over its limits, counted from every moment of it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import SimLedger, Use
from host_controller.rules.limits import GUARD_SLACK, GuardLimit, SimLimits, most_unconfirmed
from host_controller.rules.waiting import Wait, WaitReason

PRAGUE = ZoneInfo("Europe/Prague")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MARKETING = MessageClass.MARKETING
ANNA = "+420777000001"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_a_sixth_of_the_guard_stays_free():
    guard = GuardLimit(30, 60)
    assert guard.usable_parts == 25
    limits = SimLimits(6000, None, guard, PRAGUE)
    ledger = SimLedger(limits, [Use(at(-30), 20, MARKETING, ANNA), Use(at(-10), 4, MARKETING, ANNA)])
    assert ledger.next_allowed(1, MARKETING, ANNA, NOON) is None
    assert ledger.next_allowed(2, MARKETING, ANNA, NOON) == Wait(at(-30) + guard.window, WaitReason.GUARD)


def test_a_day_of_25_hours_is_one_day():
    autumn = datetime(2026, 10, 25, 20, tzinfo=UTC)
    ledger = SimLedger(
        SimLimits(6000, 10, GuardLimit(10_000, 60), PRAGUE),
        [Use(autumn - timedelta(hours=21), 10, MARKETING, ANNA)],
    )
    midnight = datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert ledger.next_allowed(1, MARKETING, ANNA, autumn) == Wait(midnight, WaitReason.QUOTA)


@settings(max_examples=150)
@given(
    st.integers(1, 120),
    st.integers(10, 60),
    st.integers(10, 60),
    st.integers(10, 40),
    st.lists(st.tuples(st.integers(1, 10), st.floats(0, 30)), min_size=1, max_size=40),
)
def test_no_window_is_ever_over_its_limit(per_minute, per_hour, per_day, guard_parts, sends):
    guard = GuardLimit(guard_parts, 60)
    limits = SimLimits(per_minute, per_day, guard, PRAGUE, parts_per_hour=per_hour)
    ledger, now = SimLedger(limits), NOON
    done: list[tuple[datetime, int]] = []
    for parts, pause_s in sends:
        now += timedelta(seconds=pause_s)
        while wait := ledger.next_allowed(parts, MARKETING, ANNA, now):
            assert wait.until > now
            now = wait.until
        ledger.note(Use(now, parts, MARKETING, ANNA))
        done.append((now, parts))
    for start, first in done:

        def within(span, start=start):
            return sum(parts for t, parts in done if start <= t < start + span)

        assert within(timedelta(seconds=60) + GUARD_SLACK) <= min(guard_parts, max(guard.usable_parts, first))
        assert within(timedelta(hours=1)) <= per_hour
        day = start.astimezone(PRAGUE).date()
        assert sum(parts for t, parts in done if t.astimezone(PRAGUE).date() == day) <= per_day
    for (t1, parts), (t2, _) in itertools.pairwise(done):
        assert t2 - t1 >= timedelta(minutes=parts / per_minute)


@pytest.mark.parametrize(("pace", "most"), [(20, 8), (40, 8), (100, 20), (6000, 1200), (60_000, 2500)])
def test_a_fast_phone_may_have_in_its_hands_what_it_sends_while_a_proof_is_taken(pace, most):
    assert most_unconfirmed(pace) == most
