"""The forecast against ledgers that really work through the queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_controller.rules.classes import MessageClass
from host_controller.rules.forecast import SimForecast, gone_at
from host_controller.rules.ledger import SimLedger, Use
from host_controller.rules.limits import GuardLimit, Reserve, SimLimits

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LOOSE = SimLimits(20, None, GuardLimit(10_000, 60), ZoneInfo("Europe/Prague"))
MARKETING = MessageClass.MARKETING


def forecast(ledger: SimLedger, now: datetime) -> SimForecast:
    return SimForecast(ledger.limits, ledger.left(MARKETING, now), MARKETING.rank)


def worked_through(ledgers: list[SimLedger], parts: int, now: datetime) -> datetime:
    """When the last part really left, each SIM sending whenever it may."""
    free = [(now, index) for index in range(len(ledgers))]
    while True:
        at, index = min(free)
        wait = ledgers[index].next_allowed(1, MARKETING, "+420777000001", at)
        if wait is None:
            ledgers[index].note(Use(at, 1, MARKETING, "+420777000001"))
            parts -= 1
            if parts == 0:
                return at
        else:
            free[index] = (wait.until, index)


def test_nothing_to_send_is_done():
    assert gone_at([], 0, NOON) == NOON


def test_phones_of_different_speed_work_together():
    sims = [forecast(SimLedger(replace(LOOSE, parts_per_minute=rate)), NOON) for rate in (10, 20, 30)]
    assert gone_at(sims, 600, NOON) - NOON == pytest.approx(timedelta(minutes=10), abs=timedelta(seconds=10))


def test_a_spent_day_is_waited_out():
    ledger = SimLedger(replace(LOOSE, parts_per_day=100), [Use(NOON - timedelta(hours=1), 100, MARKETING, "+1")])
    midnight = datetime(2026, 11, 25, 23, tzinfo=UTC)
    assert midnight <= gone_at([forecast(ledger, NOON)], 1, NOON) <= midnight + timedelta(seconds=2)
    end = gone_at([forecast(ledger, NOON)], 250, NOON)
    assert midnight + timedelta(days=2) <= end <= midnight + timedelta(days=2, minutes=3)


def test_more_than_a_year_of_work_has_no_end():
    assert gone_at([forecast(SimLedger(replace(LOOSE, parts_per_month=10)), NOON)], 10_000, NOON) is None
    assert gone_at([], 1, NOON) is None


@settings(max_examples=60)
@given(
    st.lists(
        st.builds(
            SimLimits,
            parts_per_minute=st.integers(2, 60),
            parts_per_day=st.none() | st.integers(20, 300),
            guard=st.builds(GuardLimit, st.integers(20, 60), st.just(60)),
            zone=st.sampled_from([ZoneInfo("Europe/Prague"), ZoneInfo("America/Havana")]),
            parts_per_hour=st.none() | st.integers(20, 200),
            parts_per_month=st.none() | st.integers(100, 2000),
            month_reset_day=st.integers(1, 31),
            reserve=st.builds(Reserve, st.sampled_from([0, 10]), st.sampled_from([0, 20])),
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 800),
    st.integers(0, 60),
)
def test_close_to_what_really_happens(limits, parts, used):
    history = [Use(NOON - timedelta(minutes=n), 1, MARKETING, "+420777000001") for n in range(used, 0, -1)]
    ledgers = [SimLedger(one, history) for one in limits]
    said = gone_at([forecast(ledger, NOON) for ledger in ledgers], parts, NOON)
    really = worked_through(ledgers, parts, NOON)
    # An hour's limit and a guard come free use by use, which the forecast takes as a step.
    assert abs(said - really) <= timedelta(hours=1, minutes=5) + (really - NOON) * 0.05
