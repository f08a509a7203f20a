"""When so many parts will have gone, by the limits of the SIMs and what is left of them. Pure.

An estimate: it takes every SIM to be ready all the time, and neither quiet hours nor messages of other classes to come.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from host_controller.rules.ledger import ONE_HOUR, Left
from host_controller.rules.limits import SimLimits
from host_controller.rules.periods import ONE_DAY, day_start, local_date, next_month_start
from host_controller.rules.ramp import NO_RAMP, Ramp

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
    ramp: Ramp = NO_RAMP
    """What slows it."""


class _Walk:
    """A SIM's days from now on, walked once as far as they are asked for."""

    def __init__(self, sim: SimForecast, now: datetime) -> None:
        self._sim = sim
        self._day = local_date(now, sim.limits.zone)
        self._starts = [now]
        # One for each start: parts by then, and what is left of the day and month that begin or go on there.
        self._sums = [0]
        self._left = [(sim.left.day, sim.left.month)]

    def parts_by(self, until: datetime) -> int:
        """How many parts can have gone by then."""
        while (tomorrow := day_start(self._day + ONE_DAY, self._sim.limits.zone)) < until:
            self._go_on(tomorrow)
        index = bisect_left(self._starts, until) - 1
        return self._sums[index] + self._count(index, until) if index >= 0 else 0

    def _go_on(self, tomorrow: datetime) -> None:
        limits = self._sim.limits
        count = self._count(-1, tomorrow)
        _, left_month = self._left[-1]
        left_month = None if left_month is None else left_month - count
        self._day += ONE_DAY
        if self._day == next_month_start(self._day - ONE_DAY, limits.month_reset_day):
            left_month = self._fresh(limits.parts_per_month)
        self._starts.append(tomorrow)
        self._sums.append(self._sums[-1] + count)
        self._left.append((self._fresh(limits.parts_per_day), left_month))

    def _count(self, index: int, until: datetime) -> int:
        """What goes between a start and a moment of its day."""
        is_first = index in (0, -len(self._starts))
        return _least(self._work(self._starts[index], until, first=is_first), *self._left[index])

    def _work(self, start: datetime, end: datetime, *, first: bool) -> int:
        """What pace, guard and hour let through in a span of a day."""
        limits, span = self._sim.limits, end - start
        by_pace = int(limits.parts_per_minute * (self._sim.ramp.work(start, end) / _FIRST_STEP)) + 1
        by_guard = limits.guard.usable_parts * (span // limits.guard.window + 1)
        fresh = self._fresh(limits.parts_per_hour)
        if fresh is None:
            return min(by_pace, by_guard)
        this_hour = fresh if self._sim.left.hour is None or not first else self._sim.left.hour
        return min(by_pace, by_guard, this_hour + fresh * (span // ONE_HOUR))

    def _fresh(self, limit: int | None) -> int | None:
        return None if limit is None else max(0, limit - self._sim.limits.reserve.of(limit)[self._sim.rank])


def gone_at(sims: Sequence[SimForecast], parts: int, now: datetime) -> datetime | None:
    """About when the SIMs together will have sent so many parts; None where not within a year."""
    now = now.astimezone(UTC)
    if parts <= 0:
        return now

    walks = [_Walk(sim, now) for sim in sims]

    def enough(span: timedelta) -> bool:
        return sum(walk.parts_by(now + span) for walk in walks) >= parts

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
