"""The ramp after an outage: never faster than it says, at full pace at its end, and nothing where it is off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_controller.rule_settings import RampUpSettings
from host_controller.rules.classes import MessageClass
from host_controller.rules.forecast import SimForecast, gone_at
from host_controller.rules.ledger import ONE_HOUR, SimLedger, Use, pause_after
from host_controller.rules.limits import GuardLimit, SimLimits
from host_controller.rules.outage import Outage
from host_controller.rules.ramp import NO_RAMP, Ramp
from host_controller.rules.waiting import Wait, WaitReason

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MARKETING = MessageClass.MARKETING
ANNA = "+420777000001"
LOOSE = SimLimits(20, None, GuardLimit(10_000, 60), ZoneInfo("Europe/Prague"))
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
RAMP = Ramp.up(NOON, 12 * MINUTE)

lasts = st.integers(1, 20 * 60_000).map(lambda ms: timedelta(milliseconds=ms))
moments = st.integers(-600_000, 3_600_000).map(lambda ms: NOON + timedelta(milliseconds=ms))
spans = st.integers(0, 3_600_000).map(lambda ms: timedelta(milliseconds=ms))


def quarters(at: datetime, length: timedelta) -> int:
    """How many quarters of the pace hold at a moment, written down once more."""
    share = (at - NOON) / length
    return 4 if share < 0 or share >= 1 else 1 + int(share * 3)


def sent(limits: SimLimits, ramp: Ramp, until: datetime, parts: int = 1) -> list[datetime]:
    """When messages leave from noon on where there are always more."""
    ledger, now, found = SimLedger(limits), NOON, []
    while now < until:
        wait = ledger.next_allowed(parts, MARKETING, ANNA, now, ramp)
        if wait is None:
            found.append(now)
            ledger.note(Use(now, parts, MARKETING, ANNA))
        else:
            now = wait.until
    return found


@pytest.mark.parametrize(
    ("at", "free_at"),
    [
        (-60, -57),  # before it
        (0, 12),  # a quarter
        (4 * 60, 4 * 60 + 6),  # a half
        (8 * 60, 8 * 60 + 4),  # three quarters
        (12 * 60, 12 * 60 + 3),  # all of it
        (4 * 60 - 4, 4 * 60 + 4),  # one second's worth at a quarter, two at a half
        (-1, 8),
    ],
)
def test_a_pause_of_three_seconds(at, free_at):
    assert RAMP.free_at(NOON + at * SECOND, 3 * SECOND) == NOON + free_at * SECOND


def test_the_wait_says_pace():
    wait = SimLedger(LOOSE, [Use(NOON, 1, MARKETING, ANNA)]).next_allowed(1, MARKETING, ANNA, NOON + 5 * SECOND, RAMP)
    assert wait == Wait(NOON + 12 * SECOND, WaitReason.PACE)


def test_each_step_sends_its_share():
    times = sent(LOOSE, RAMP, NOON + 16 * MINUTE)
    counts = [sum(4 * index <= (at - NOON) / MINUTE < 4 * index + 4 for at in times) for index in range(4)]
    assert counts == [20, 40, 60, 80]


@given(lasts, moments, spans)
def test_a_pause_and_the_time_that_it_takes_agree(length, at, pause):
    ramp = Ramp.up(NOON, length)
    free_at = ramp.free_at(at, pause)
    assert ramp.work(at, free_at) >= pause
    if pause:
        assert ramp.work(at, free_at - timedelta(microseconds=4)) < pause
    assert at + pause <= free_at <= at + 4 * pause + timedelta(microseconds=4)


@given(lasts, moments, spans)
def test_the_time_at_full_pace_is_that_of_the_steps(length, start, span):
    count = 500
    step = span / count
    by_hand = sum((step * quarters(start + step * (n + 0.5), length) / 4 for n in range(count)), timedelta())
    assert abs(Ramp.up(NOON, length).work(start, start + span) - by_hand) <= 4 * step + timedelta(milliseconds=1)


@given(lasts, st.integers(1, 600), st.integers(1, 10))
def test_never_faster_than_the_ramp_and_at_full_pace_after_it(length, rate, parts):
    limits, ramp = replace(LOOSE, parts_per_minute=rate), Ramp.up(NOON, length)
    full = pause_after(limits, parts, NOON, 0)
    times = sent(limits, ramp, min(NOON + length + 3 * full, NOON + 90 * MINUTE), parts)[:400]
    for index, at in enumerate(times):
        # All that has gone by a moment is what the ramp had room for by then, and the first message.
        assert index * full <= ramp.work(NOON, at)
    for before, at in pairwise(times):
        assert at - before >= full
        if before >= ramp.ends_at:
            assert at - before == full


@given(moments, spans)
def test_off(at, pause):
    for ramp in (NO_RAMP, Ramp.up(NOON, timedelta())):
        assert (ramp.free_at(at, pause), ramp.work(at, at + pause)) == (at + pause, pause)
        assert (ramp.is_on(at), ramp.ends_at) == (False, None)


def test_it_is_on_from_its_beginning_to_its_end():
    assert [RAMP.is_on(NOON + at * MINUTE) for at in (-0.01, 0, 11.9, 12)] == [False, True, True, False]


def test_no_pause_passes_the_hour_that_a_ledger_looks_back():
    longest = Ramp.up(NOON, RampUpSettings.model_validate({"minutes": 20}).minutes * MINUTE)
    limits = replace(LOOSE, parts_per_minute=1, jitter_percent=400)
    pauses = [pause_after(limits, 10, NOON + n * SECOND, 0) for n in range(100)]
    assert max(longest.free_at(NOON, pause) for pause in pauses) <= NOON + ONE_HOUR
    with pytest.raises(ValueError, match="less than or equal to 20"):
        RampUpSettings(minutes=21)


@pytest.mark.parametrize("count", [1, 20, 90, 200, 400])
def test_the_forecast_knows_it(count):
    ledgers = [SimLedger(replace(LOOSE, parts_per_minute=rate)) for rate in (10, 20)]
    sims = [SimForecast(each.limits, each.left(MARKETING, NOON), MARKETING.rank, RAMP) for each in ledgers]
    times = sorted(at for each in ledgers for at in sent(each.limits, RAMP, NOON + 60 * MINUTE))
    assert abs(gone_at(sims, count, NOON) - times[count - 1]) <= 15 * SECOND


@given(moments, spans, moments)
def test_an_outage_makes_nothing_later_than_it_was_long(since, length, due):
    outage = Outage(since, since + length)
    late = outage.lateness(due)
    assert late <= outage.length == length
    assert late == (length if due <= since else outage.until - due)
