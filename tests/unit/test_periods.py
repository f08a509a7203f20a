"""Days and billing months against calendars that are walked minute by minute."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_controller.rules.periods import day_start, month_start, next_month_start

# Zones whose clocks change at midnight, by half an hour, in the south, at Ramadan, or never.
ZONES = [
    "Europe/Prague",
    "Europe/Dublin",
    "America/New_York",
    "America/Havana",
    "America/Santiago",
    "America/Nuuk",
    "America/Asuncion",
    "Atlantic/Azores",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
]
DAYS = st.dates(date(2024, 1, 1), date(2032, 12, 31))


def offset_changes(zone: ZoneInfo) -> list[date]:
    """Local dates around which the offset changes."""
    days = (date(2024, 1, 1) + timedelta(days=n) for n in range(9 * 365))
    noon = [datetime(day.year, day.month, day.day, 12, tzinfo=zone) for day in days]
    return [b.date() for a, b in itertools.pairwise(noon) if a.utcoffset() != b.utcoffset()]


def walked_day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first minute that shows the date, found by walking."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=16)
    while at.astimezone(zone).date() < day:
        at += timedelta(minutes=1)
    return at


@pytest.mark.parametrize("name", ZONES)
def test_days_begin_right_around_every_change_of_the_clock(name):
    zone = ZoneInfo(name)
    for change in offset_changes(zone)[:20]:
        for day in (change - timedelta(days=1), change, change + timedelta(days=1)):
            start = day_start(day, zone)
            assert start == walked_day_start(day, zone)
            assert start.tzinfo is UTC


@given(DAYS, st.sampled_from(ZONES))
def test_days_begin_right(day, name):
    assert day_start(day, ZoneInfo(name)) == walked_day_start(day, ZoneInfo(name))


def test_a_gap_that_begins_before_midnight():
    # Toronto skipped from half past eleven in the evening to half past midnight.
    zone = ZoneInfo("America/Toronto")
    assert day_start(date(1919, 3, 31), zone) == datetime(1919, 3, 31, 4, 30, tzinfo=UTC)


def walked_month(day: date, reset_day: int) -> tuple[date, date]:
    """First days of this billing month and the next, by walking from day to day."""

    def is_reset(at: date) -> bool:
        last = (at + timedelta(days=1)).month != at.month
        return at.day == reset_day or (last and at.day < reset_day)

    start = day
    while not is_reset(start):
        start -= timedelta(days=1)
    following = day + timedelta(days=1)
    while not is_reset(following):
        following += timedelta(days=1)
    return start, following


@given(DAYS, st.integers(1, 31))
def test_billing_months(day, reset_day):
    assert (month_start(day, reset_day), next_month_start(day, reset_day)) == walked_month(day, reset_day)


@pytest.mark.parametrize(
    ("day", "reset_day", "start", "following"),
    [
        (date(2028, 2, 29), 31, date(2028, 2, 29), date(2028, 3, 31)),
        (date(2028, 2, 28), 29, date(2028, 1, 29), date(2028, 2, 29)),
        (date(2027, 2, 28), 29, date(2027, 2, 28), date(2027, 3, 29)),
        (date(2026, 12, 31), 1, date(2026, 12, 1), date(2027, 1, 1)),
        (date(2027, 1, 1), 15, date(2026, 12, 15), date(2027, 1, 15)),
    ],
)
def test_month_ends_and_leap_days(day, reset_day, start, following):
    assert (month_start(day, reset_day), next_month_start(day, reset_day)) == (start, following)
