"""What one SIM used per local day, and in the billing month. Pure: takes `now`, computes every boundary."""

from __future__ import annotations

from bisect import bisect_right, insort
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from host_controller.rules.periods import ONE_DAY, day_start, local_date, month_start, next_month_start
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.rules.windows import NOTHING, Totals, demand, plus

_UNSET = datetime.min.replace(tzinfo=UTC)


class DayBook:
    """Parts per local day and class, and the days on which each recipient was written to.

    Two billing months are kept, so that a clock set back finds what it needs; see `forgotten_day`.
    """

    def __init__(self, zone: ZoneInfo, month_reset_day: int, *, recipients: bool) -> None:
        self._zone = zone
        self._reset_day = month_reset_day
        self._days: dict[date, Totals] = {}
        self._recipients: dict[str, list[date]] | None = {} if recipients else None
        self._span = (date.min, _UNSET, _UNSET)
        self._now_from = _UNSET
        self.today = date.min
        self.today_until = _UNSET
        self.month_from = date.min
        self.month_until = _UNSET
        self.month: Totals = NOTHING
        """Parts of this billing month."""
        self.distinct = 0
        """Different recipients of this billing month."""
        self.forgotten_day: date | None = None
        """The latest day that was forgotten."""

    @property
    def day(self) -> Totals:
        """Parts of today."""
        return self._days.get(self.today, NOTHING)

    def has_written_to(self, recipient: str) -> bool:
        """Say whether the recipient counts in this billing month already."""
        days = self._recipients.get(recipient) if self._recipients is not None else None
        return days is not None and days[-1] >= self.month_from

    def add(self, at: datetime, rank: int, parts: int, recipient: str) -> None:
        """Count a use on its local day."""
        day = self._local_day(at)
        self._days[day] = plus(self._days.get(day, NOTHING), rank, parts)
        if day >= self.month_from:
            self.month = plus(self.month, rank, parts)
        if self._recipients is not None:
            self.distinct += day >= self.month_from and not self.has_written_to(recipient)
            insort(self._recipients.setdefault(recipient, []), day)

    def remove(self, at: datetime, rank: int, parts: int, recipient: str) -> bool:
        """Take a use back; False where its day does not hold it."""
        day = self._local_day(at)
        known = self._days.get(day, NOTHING)
        if known[rank] < parts:
            return False
        days = self._recipients.get(recipient, []) if self._recipients is not None else [day]
        if day not in days:
            return False
        self._days[day] = plus(known, rank, -parts)
        days.remove(day)
        if self._recipients is not None and not days:
            del self._recipients[recipient]
        self._count_month()
        return True

    def turn_to(self, now: datetime) -> None:
        """Make the day and the month of `now` the current ones; asking about the future loses nothing.

        Uses on later days move to today: the clock was set back, and they must not be forgotten.
        """
        if self._now_from <= now < self.today_until:
            return
        self.today, self._now_from, self.today_until = self._span_of(now)
        self.month_from = month_start(self.today, self._reset_day)
        self.month_until = day_start(next_month_start(self.today, self._reset_day), self._zone)
        self.fold()
        self._count_month()

    def fold(self) -> None:
        """Move uses of days after today to today."""
        later = [day for day in self._days if day > self.today]
        if not later:
            return
        for day in later:
            for rank, parts in enumerate(self._days.pop(day)):
                self._days[self.today] = plus(self.day, rank, parts)
        for days in (self._recipients or {}).values():
            first = bisect_right(days, self.today)
            days[first:] = [self.today] * (len(days) - first)

    def _local_day(self, at: datetime) -> date:
        if not self._span[1] <= at < self._span[2]:
            self._span = self._span_of(at)
            self._forget(month_start(month_start(self._span[0], self._reset_day) - ONE_DAY, self._reset_day))
        return self._span[0]

    def _span_of(self, at: datetime) -> tuple[date, datetime, datetime]:
        day = local_date(at, self._zone)
        return day, day_start(day, self._zone), day_start(day + ONE_DAY, self._zone)

    def _forget(self, before: date) -> None:
        old = [day for day in self._days if day < before]
        if not old:
            return
        self.forgotten_day = max([*old, self.forgotten_day or date.min])
        for day in old:
            del self._days[day]
        for recipient, days in list((self._recipients or {}).items()):
            del days[: bisect_right(days, before - ONE_DAY)]
            if not days and self._recipients is not None:
                del self._recipients[recipient]

    def _count_month(self) -> None:
        self.month = NOTHING
        for day, totals in self._days.items():
            if day >= self.month_from:
                self.month = (self.month[0] + totals[0], self.month[1] + totals[1], self.month[2] + totals[2])
        lists = (self._recipients or {}).values()
        self.distinct = sum(days[-1] >= self.month_from for days in lists)


def period_wait(limit: int, used: Totals, kept: Totals, rank: int, parts: int, spent: Wait) -> Wait | None:
    """Say what holds so many parts, where this much of a day or month is used and `spent` holds when it is full."""
    if demand(used, kept, rank) + parts <= limit:
        return None
    if demand(NOTHING, kept, rank) + parts > limit:
        return Wait(None, WaitReason.TOO_LONG)
    return spent if sum(used) + parts > limit else Wait(spent.until, WaitReason.RESERVE)
