"""What one SIM used per local day, and in the billing month. Pure: takes `now`, computes every boundary."""

from __future__ import annotations

from bisect import bisect_right, insort
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from host_controller.rules.periods import ONE_DAY, day_start, local_date, month_start, next_month_start
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.rules.windows import NOTHING, Totals, both, demand, plus

_UNSET = datetime.min.replace(tzinfo=UTC)


class DayBook:
    """Parts per local day and class, and the days on which each recipient was written to.

    Two billing months are kept, so that a clock set back finds what it needs; see `forgotten_day`. What lies on a day
    after today, because the clock was set back, counts on the day on which that was first seen, and on its own day once
    that has come.
    """

    def __init__(self, zone: ZoneInfo, month_reset_day: int, *, recipients: bool) -> None:
        self._zone = zone
        self._reset_day = month_reset_day
        self._days: dict[date, Totals] = {}
        self._recipients: dict[str, list[date]] | None = {} if recipients else None
        self._early: dict[date, date] = {}
        self._moved_here: Totals = NOTHING
        self._span = (date.min, _UNSET, _UNSET)
        self._now_from = _UNSET
        self._kept_from = self._kept_until = _UNSET
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
        return both(self._days.get(self.today, NOTHING), self._moved_here)

    def has_written_to(self, recipient: str) -> bool:
        """Say whether the recipient counts in this billing month already."""
        days = self._recipients.get(recipient) if self._recipients is not None else None
        return days is not None and self._is_of_month(days)

    def add(self, at: datetime, rank: int, parts: int, recipient: str) -> None:
        """Count a use on its local day."""
        day = self._local_day(at)
        self._days[day] = plus(self._days.get(day, NOTHING), rank, parts)
        self._early.pop(day, None)
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
        self.count_anew()
        return True

    def turn_to(self, now: datetime) -> None:
        """Make the day and the month of `now` the current ones; asking about the future loses nothing."""
        if self._now_from <= now < self.today_until:
            return
        self.today, self._now_from, self.today_until = self._span_of(now)
        self.month_from = month_start(self.today, self._reset_day)
        self.month_until = day_start(next_month_start(self.today, self._reset_day), self._zone)
        self.count_anew()

    def count_anew(self) -> None:
        """Sum up day and month again, after uses were found to lie ahead of the clock, or to do so no longer."""
        later = [day for day in self._days if day > self.today] if self.today_until > _UNSET else []
        for day in later:
            self._early[day] = min(self.today, self._early.get(day, self.today))
        self.month = self._moved_here = NOTHING
        for day, totals in self._days.items():
            counted_on = self._counted_on(day)
            if day != counted_on == self.today:
                self._moved_here = both(self._moved_here, totals)
            if counted_on >= self.month_from:
                self.month = both(self.month, totals)
        self.distinct = sum(map(self._is_of_month, (self._recipients or {}).values()))

    def forget_before(self, at: datetime) -> None:
        """Drop what is older than the billing month before the one of `at`."""
        if not self._kept_from <= at < self._kept_until:
            day = self._local_day(at)
            self._kept_from, self._kept_until = self._span[1:]
            self._forget(month_start(month_start(day, self._reset_day) - ONE_DAY, self._reset_day))

    def _counted_on(self, day: date) -> date:
        return self._early.get(day, day) if day > self.today else day

    def _is_of_month(self, days: list[date]) -> bool:
        if not self._early:
            return days[-1] >= self.month_from
        return any(self._counted_on(day) >= self.month_from for day in days)

    def _local_day(self, at: datetime) -> date:
        if not self._span[1] <= at < self._span[2]:
            self._span = self._span_of(at)
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
            self._early.pop(day, None)
        for recipient, days in list((self._recipients or {}).items()):
            del days[: bisect_right(days, before - ONE_DAY)]
            if not days and self._recipients is not None:
                del self._recipients[recipient]


def period_wait(limit: int, used: Totals, kept: Totals, rank: int, parts: int, spent: Wait) -> Wait | None:
    """Say what holds so many parts, where this much of a day or month is used and `spent` holds when it is full."""
    if demand(used, kept, rank) + parts <= limit:
        return None
    if demand(NOTHING, kept, rank) + parts > limit:
        return Wait(None, WaitReason.TOO_LONG)
    return spent if sum(used) + parts > limit else Wait(spent.until, WaitReason.RESERVE)
