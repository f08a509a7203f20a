"""Local days and billing months as instants, right across changes of the clock. Pure.

Every instant that is given is in UTC: Python compares two times of the same zone by their wall clocks, which
would be wrong in the hour that comes twice.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
# No zone is further from UTC, and no clock is ever changed by more.
_MOST = timedelta(hours=26)


@lru_cache(maxsize=2048)
def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day; where the clock skips midnight, the first instant after the gap."""
    start = datetime.combine(day, time(), zone).astimezone(UTC)
    if local_date(start, zone) >= day > local_date(start - _INSTANT, zone):
        return start
    # The gap began before midnight, or midnight comes twice over two dates.
    return first_change(start - _MOST, start + _MOST, lambda at: local_date(at, zone) >= day)


def local_date(at: datetime, zone: ZoneInfo) -> date:
    """The date that a calendar in the zone shows."""
    return at.astimezone(zone).date()


def month_start(day: date, reset_day: int) -> date:
    """The first day of the billing month that `day` lies in.

    A month that has no day `reset_day` (1 to 31) begins on its last one.
    """
    this_month = _reset_in(day.year, day.month, reset_day)
    if day >= this_month:
        return this_month
    before = day.replace(day=1) - ONE_DAY
    return _reset_in(before.year, before.month, reset_day)


@lru_cache(maxsize=2048)
def next_month_start(day: date, reset_day: int) -> date:
    """The first day of the billing month after the one that `day` lies in."""
    this_month = _reset_in(day.year, day.month, reset_day)
    if day < this_month:
        return this_month
    after = day.replace(day=28) + timedelta(days=4)
    return _reset_in(after.year, after.month, reset_day)


def first_change(low: datetime, high: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """The first instant after `low` at which `holds` is true, which it is at `high` and is not at `low`."""
    while high - low > _INSTANT:
        middle = low + (high - low) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _reset_in(year: int, month: int, reset_day: int) -> date:
    return date(year, month, min(reset_day, monthrange(year, month)[1]))
