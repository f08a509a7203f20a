"""Quiet hours by country and class, against clocks that are looked at minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import timezone as number_zones

from host_controller.errors import ConfigError
from host_controller.rules.classes import MessageClass
from host_controller.rules.quiet_hours import (
    ANYWHERE,
    GOOD_PRACTICE,
    OpenHours,
    Place,
    QuietRules,
    next_moment,
    place_of,
)
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.text.msisdn import Msisdn

OTP, TRANSACTIONAL, MARKETING = MessageClass
PRAGUE = ZoneInfo("Europe/Prague")
CZ = Place("CZ", (PRAGUE,))


def prague(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=PRAGUE).astimezone(UTC)


def ask(now, *, rules=None, place=CZ, message_class=MARKETING):
    wait = next_moment(rules or QuietRules(), message_class, place, now)
    return wait and (wait.until, wait.reason)


def test_marketing_waits_for_the_morning_and_a_code_does_not():
    night = prague(2026, 11, 25, 23)
    assert ask(night) == (prague(2026, 11, 26, 8), WaitReason.QUIET_HOURS)
    assert ask(night, message_class=OTP) is None
    assert ask(night, message_class=TRANSACTIONAL) is None
    assert ask(prague(2026, 11, 25, 8)) is None
    assert ask(prague(2026, 11, 25, 20))[0] == prague(2026, 11, 26, 8)


def test_sundays_and_holidays_are_closed():
    christmas = QuietRules(holidays={"CZ": frozenset({date(2026, 12, day) for day in (24, 25, 26)})})
    assert ask(prague(2026, 12, 23, 21), rules=christmas)[0] == prague(2026, 12, 28, 8)
    assert ask(prague(2026, 12, 24, 9), place=Place("SK", (PRAGUE,)), rules=christmas) is None
    open_then = QuietRules({MARKETING: {ANYWHERE: OpenHours.daily("08:00", "20:00", on_holidays=True)}})
    assert ask(prague(2026, 12, 24, 9), rules=open_then) is None


def test_a_country_may_have_hours_of_its_own():
    rules = QuietRules({MARKETING: {"US": OpenHours.daily("08:00", "21:00"), ANYWHERE: GOOD_PRACTICE}})
    new_york = place_of(Msisdn("+12125551234"), PRAGUE)
    assert (new_york.region, new_york.zones) == ("US", (ZoneInfo("America/New_York"),))
    assert ask(datetime(2026, 7, 5, 0, 30, tzinfo=UTC), rules=rules, place=new_york) is None
    only_there = QuietRules({MARKETING: {"FR": GOOD_PRACTICE}})
    assert ask(prague(2026, 11, 25, 23), rules=only_there) is None


def test_a_country_of_many_zones_is_open_when_all_of_them_are():
    australia = place_of(Msisdn("+61412345678"), PRAGUE)
    assert len(australia.zones) > 4
    until, _ = ask(datetime(2026, 7, 1, 22, tzinfo=UTC), place=australia)
    clocks = [until.astimezone(zone).hour for zone in australia.zones]
    assert min(clocks) == 8
    assert max(clocks) < 20


def test_hours_that_never_open_at_once_have_no_time():
    far = Place("XX", (ZoneInfo("Pacific/Auckland"), ZoneInfo("America/Anchorage")))
    rules = QuietRules({MARKETING: {ANYWHERE: OpenHours.daily("09:00", "10:00")}})
    assert ask(prague(2026, 11, 25, 12), rules=rules, place=far) == (None, WaitReason.QUIET_HOURS)
    closed = QuietRules({MARKETING: {ANYWHERE: OpenHours((None,) * 7)}})
    assert ask(prague(2026, 11, 25, 12), rules=closed) == (None, WaitReason.QUIET_HOURS)


@pytest.mark.parametrize(
    ("e164", "region", "zone"),
    [
        ("+420777123456", "CZ", "Europe/Prague"),
        ("+421905123456", "SK", "Europe/Bratislava"),
        ("+33612345678", "FR", "Europe/Paris"),
        ("+14155552671", "US", "America/Los_Angeles"),
        ("+883510000000", "001", "Europe/Prague"),
    ],
)
def test_places(e164, region, zone):
    place = place_of(Msisdn(e164), PRAGUE)
    assert (place.region, place.zones) == (region, (ZoneInfo(zone),))


def test_a_zone_that_this_computer_does_not_know(monkeypatch):
    monkeypatch.setattr(number_zones, "time_zones_for_number", lambda _number: ("Europe/Nowhere",))
    assert place_of(Msisdn("+420777999999"), PRAGUE).zones == (PRAGUE,)
    place_of.cache_clear()


def test_an_hour_that_is_skipped_and_one_that_comes_twice():
    rules = QuietRules({MARKETING: {ANYWHERE: OpenHours.daily("02:30", "03:15")}})
    assert ask(prague(2026, 3, 29, 0), rules=rules)[0] == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert ask(datetime(2026, 3, 29, 1, 15, tzinfo=UTC), rules=rules)[0] == prague(2026, 3, 30, 2, 30)
    assert ask(prague(2026, 10, 25, 0), rules=rules)[0] == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert ask(datetime(2026, 10, 25, 1, tzinfo=UTC), rules=rules)[0] == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("opens", "closes", "days", "words"),
    [
        ("8:00", "20:00", "1111111", "no time of day"),
        ("08:00", "24:01", "1111111", "no time of day"),
        ("20:00", "08:00", "1111111", "earlier time first"),
        ("08:00", "20:00", "11111", "no days"),
    ],
)
def test_bad_hours_are_refused_with_words(opens, closes, days, words):
    with pytest.raises(ConfigError, match=words):
        OpenHours.daily(opens, closes, days)


ZONES = ["Europe/Prague", "America/New_York", "Atlantic/Azores", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Tokyo"]
minutes = st.integers(0, 96).map(lambda quarter: quarter * 15)
spans = st.none() | st.tuples(minutes, minutes).filter(lambda pair: pair[0] < pair[1])


def walked(rules: QuietRules, place: Place, now: datetime, days: int = 10) -> datetime | None:
    """The first whole minute at which the clocks of all zones show an open one."""
    at = now
    while at < now + timedelta(days=days):
        clocks = [at.astimezone(zone) for zone in place.zones]
        hours = rules.hours[MARKETING][ANYWHERE]
        if all(
            (span := hours.week[clock.weekday()]) is not None
            and span[0] <= clock.hour * 60 + clock.minute < span[1]
            and (clock.date() not in rules.holidays["XX"] or hours.on_holidays)
            for clock in clocks
        ):
            return at
        at += timedelta(minutes=15)
    return None


@settings(max_examples=150)
@given(
    st.lists(spans, min_size=7, max_size=7),
    st.booleans(),
    st.sets(st.sampled_from(ZONES), min_size=1, max_size=2),
    st.sampled_from([(2026, 3), (2028, 10), (2031, 4), (2032, 2), (2024, 10)]),
    st.integers(0, 30 * 96),
    st.sets(st.integers(0, 34), max_size=12),
)
def test_against_looking_at_the_clocks(week, on_holidays, names, month, quarter, holidays):
    start = datetime(*month, 1, tzinfo=UTC)
    days = frozenset((start + timedelta(days=n)).date() for n in holidays)
    rules = QuietRules({MARKETING: {ANYWHERE: OpenHours(tuple(week), on_holidays)}}, {"XX": days})
    place = Place("XX", tuple(ZoneInfo(name) for name in sorted(names)))
    now = start + timedelta(minutes=15 * quarter)
    wait = next_moment(rules, MARKETING, place, now)
    expected = walked(rules, place, now)
    if expected is None:
        assert wait.until is None or wait.until >= now + timedelta(days=10)
    else:
        assert wait == (None if expected == now else Wait(expected, WaitReason.QUIET_HOURS))
