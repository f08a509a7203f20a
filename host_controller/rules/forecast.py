"""When so many parts will have gone, by the limits of the SIMs and what is left of them. Pure.

An estimate: it takes every SIM to be ready all the time, and neither quiet hours nor messages of other classes to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from host_controller.rules.ledger import ONE_HOUR, Left
from host_controller.rules.limits import SimLimits
from host_controller.rules.periods import ONE_DAY, day_start, local_date, next_month_start

HORIZON = timedelta(days=366)
"""Further ahead nothing is said."""
_FIRST_STEP = timedelta(minutes=1)
_PRECISION = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class SimForecast:
    """What one SIM can do from now on, for a class of messages."""

    limits: SimLimits
    left: Left
    rank: int
    """Of the class, for what is kept from it on later days."""

    def parts_by(self, now: datetime, until: datetime) -> int:
        """How many parts can have gone by then."""
        zone, reset_day = self.limits.zone, self.limits.month_reset_day
        parts, at, day = 0, now, local_date(now, zone)
        left_today, left_month = self.left.day, self.left.month
        while at < until:
            tomorrow = day + ONE_DAY
            end = min(day_start(tomorrow, zone), until)
            count = _least(self._work(end - at, first=at == now), left_today, left_month)
            parts += count
            left_month = None if left_month is None else left_month - count
            if tomorrow == next_month_start(day, reset_day):
                left_month = self._fresh(self.limits.parts_per_month)
            at, day, left_today = end, tomorrow, self._fresh(self.limits.parts_per_day)
        return parts

    def _work(self, span: timedelta, *, first: bool) -> int:
        """What pace, guard and hour let through in a span of a day."""
        limits = self.limits
        by_pace = int(limits.parts_per_minute * (span / _FIRST_STEP)) + 1
        by_guard = limits.guard.usable_parts * (span // limits.guard.window + 1)
        fresh = self._fresh(limits.parts_per_hour)
        if fresh is None:
            return min(by_pace, by_guard)
        this_hour = fresh if self.left.hour is None or not first else self.left.hour
        return min(by_pace, by_guard, this_hour + fresh * (span // ONE_HOUR))

    def _fresh(self, limit: int | None) -> int | None:
        return None if limit is None else max(0, limit - self.limits.reserve.of(limit)[self.rank])


def gone_at(sims: Sequence[SimForecast], parts: int, now: datetime) -> datetime | None:
    """About when the SIMs together will have sent so many parts; None where not within a year."""
    now = now.astimezone(UTC)
    if parts <= 0:
        return now

    def enough(span: timedelta) -> bool:
        return sum(sim.parts_by(now, now + span) for sim in sims) >= parts

    high = _FIRST_STEP
    while not enough(high):
        if high >= HORIZON:
            return None
        high = min(high * 2, HORIZON)
    low = timedelta() if high == _FIRST_STEP else high / 2
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return now + high


def _least(*counts: int | None) -> int:
    return max(0, min(count for count in counts if count is not None))
