"""A SIM that would send without end, on a clock of its own: every day of nine years, and jumps of the host's clock.

The ledger is asked, sent with, and built anew from its rows every night, as after a restart. The calendar that it is
held against is walked second by second around each midnight, by the zone's own table alone.
"""

from __future__ import annotations

import calendar
import random
from bisect import bisect_right
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.figures import machine, save
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import SimLedger, Use
from host_controller.rules.limits import GuardLimit, SimLimits

FIRST, LAST = date(2024, 1, 1), date(2032, 12, 31)
ZONES = ("Europe/Prague", "Atlantic/Azores", "America/Havana", "Australia/Lord_Howe")
"""The last three change their clocks at midnight, at midnight too, and by half an hour."""
_RESET_DAYS = (1, 29, 30, 31)
_PER_DAY, _PER_MONTH = 3, 85
_NUMBER = "+420777000001"
_JUMPS, _SEEDS = 300, (1, 2, 3, 4)
_PER_HOUR_JUMPS, _PER_DAY_JUMPS = 10, 60
_NOON, _STEP = datetime(2026, 11, 25, 12, tzinfo=UTC), timedelta(seconds=30)
_WRONG = datetime(1970, 1, 2, tzinfo=UTC), datetime(2038, 1, 20, tzinfo=UTC)
_ONE_DAY, _TICK = timedelta(days=1), timedelta(seconds=1)


def live(zone: ZoneInfo, reset_day: int) -> dict[str, Any]:
    """Send whatever the ledger lets go, all years through."""
    limits = SimLimits(60, _PER_DAY, GuardLimit(1000, 60), zone, parts_per_month=_PER_MONTH, month_reset_day=reset_day)
    uses: list[Use] = []
    ledger, now = SimLedger(limits), _midnight(FIRST, zone)
    end = _midnight(LAST + _ONE_DAY, zone)
    day = FIRST
    while now < end:
        wait = ledger.next_allowed(1, MessageClass.MARKETING, _NUMBER, now)
        if wait is None:
            uses.append(Use(now, 1, MessageClass.MARKETING, _NUMBER))
            ledger.note(uses[-1])
        elif wait.until is None:
            raise RuntimeError("the ledger says that it never opens")
        else:
            now = wait.until
        if now.astimezone(zone).date() != day:
            day = now.astimezone(zone).date()
            ledger = SimLedger(limits, [use for use in uses if use.at > now - 40 * _ONE_DAY])
    return _judge(uses, zone, reset_day)


def jump(zone: ZoneInfo, seed: int) -> dict[str, Any]:
    """Send whatever the ledger lets go while the host's clock jumps; every third time the ledger is built anew.

    What it must hold to is what its clock has shown: a day, or an hour, that comes again is still spent.
    """
    limits = SimLimits(60, _PER_DAY_JUMPS, GuardLimit(1000, 60), zone, parts_per_hour=_PER_HOUR_JUMPS)
    draw = random.Random(seed)
    true, offset = _NOON, timedelta()
    uses: list[Use] = []
    ledger = SimLedger(limits)
    for number in range(_JUMPS):
        ends = true + timedelta(minutes=draw.randint(1, 240))
        while true < ends:
            now = true + offset
            if not ledger.covers(now):
                ledger = SimLedger(limits, uses)
            if ledger.next_allowed(1, MessageClass.MARKETING, _NUMBER, now) is None:
                uses.append(Use(now, 1, MessageClass.MARKETING, _NUMBER))
                ledger.note(uses[-1])
            true += _STEP
        place = draw.choice([None, None, true + timedelta(hours=1), true - timedelta(hours=1), *_WRONG])
        offset = timedelta() if place is None else place - true
        if number % 3 == 0:
            ledger = SimLedger(limits, uses)
    by_day = Counter(use.at.astimezone(zone).date() for use in uses)
    times = sorted(use.at for use in uses)
    last_hour = (bisect_right(times, at) - bisect_right(times, at - timedelta(hours=1)) for at in times)
    return {
        "jumps": _JUMPS,
        "parts": len(uses),
        "days": len(by_day),
        "over_day": sum(count > _PER_DAY_JUMPS for count in by_day.values()),
        "over_hour": sum(count > _PER_HOUR_JUMPS for count in last_hour),
    }


def _judge(uses: list[Use], zone: ZoneInfo, reset_day: int) -> dict[str, Any]:
    """Hold what went against the calendar."""
    by_day, by_month, firsts = Counter[date](), Counter[date](), dict[date, datetime]()
    for use in uses:
        day = use.at.astimezone(zone).date()
        by_day[day] += use.parts
        by_month[_month_start(day, reset_day)] += use.parts
        firsts.setdefault(day, use.at)
    days = [FIRST + n * _ONE_DAY for n in range((LAST - FIRST).days + 1)]
    months = Counter(_month_start(day, reset_day) for day in days)
    # A month without room opens on its own first day again: those days have no first use, and none is missed.
    allowed = {start: min(_PER_MONTH, count * _PER_DAY) for start, count in months.items()}
    lengths_h = Counter(_hours(day, zone) for day in days)
    late_s = [(firsts[day] - _midnight(day, zone)).total_seconds() for day in days if day in firsts]
    return {
        "days": len(days),
        "odd_days": len(days) - lengths_h[24.0],
        "opened": len(firsts),
        "months": len(months),
        "months_opened": len(by_month),
        "over": sum(count > _PER_DAY for count in by_day.values()) + sum(n > _PER_MONTH for n in by_month.values()),
        "short": sum(allowed[start] - by_month[start] for start in months),
        "early": sum(seconds < 0 for seconds in late_s),
        "late_max_s": max(late_s),
    }


def _month_start(day: date, reset_day: int) -> date:
    """The billing month's first day: the reset day, or in a shorter month the last."""
    while day.day != min(reset_day, calendar.monthrange(day.year, day.month)[1]):
        day -= _ONE_DAY
    return day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first second that the zone's clocks show of a day, found by walking."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=16)
    while at.astimezone(zone).date() < day:
        at += timedelta(minutes=15)
    while (at - _TICK).astimezone(zone).date() >= day:
        at -= _TICK
    return at


def _hours(day: date, zone: ZoneInfo) -> float:
    return (_midnight(day + _ONE_DAY, zone) - _midnight(day, zone)) / timedelta(hours=1)


def _jumps(about: dict[str, Any]) -> dict[str, Any]:
    rows = [{"seed": seed, **jump(ZoneInfo("Europe/Prague"), seed)} for seed in _SEEDS]
    columns = [
        ["seed", "seed"],
        ["jumps", "jumps"],
        ["parts", "parts sent"],
        ["days", "days that the clock has shown"],
        ["over_day", "days over the limit"],
        ["over_hour", "hours over the limit"],
    ]
    note = (
        f"55: the host's clock is right, an hour ahead, an hour behind, in 1970 or in 2038, by turns, for up to 4 hours"
        f" each; a SIM with {_PER_HOUR_JUMPS} parts an hour and {_PER_DAY_JUMPS} a day sends whenever its ledger lets"
        " it, which is built anew from its rows at every third jump. Days and hours are those that the clock has shown."
    )
    return {"machine": about, "note": note, "columns": columns, "rows": rows}


def main() -> None:
    """Measure."""
    about, rows = machine(), []
    for name in ZONES:
        for reset_day in _RESET_DAYS:
            rows.append({"zone": name, "reset_day": reset_day, **live(ZoneInfo(name), reset_day)})
    columns = [
        ["zone", "zone"],
        ["reset_day", "reset day"],
        ["days", "days"],
        ["odd_days", "of 23, 25 or other hours"],
        ["opened", "days that opened"],
        ["months", "billing months"],
        ["months_opened", "that opened"],
        ["over", "over a limit"],
        ["short", "parts short of what was allowed"],
        ["early", "opened early"],
        ["late_max_s", "opened late at most, s"],
    ]
    note = (
        f"56: every day from {FIRST.year} to {LAST.year}, with {_PER_DAY} parts a day and {_PER_MONTH} a billing month,"
        " on a clock of its own; a SIM that sends as soon as its ledger lets it, and whose ledger is built anew from"
        " its rows every day, as after a restart. Days without room in their month do not open."
    )
    save("jumps", _jumps(about))
    save("years", {"machine": about, "note": note, "columns": columns, "rows": rows})


if __name__ == "__main__":
    main()
