"""How much a SIM may send, counted in parts: spacing, Android's send guard, and the day. Pure: takes `now`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from host_controller.rules.waiting import WaitReason

# The phone counts at its own arrival times: a window of ours must hold for every window of its.
GUARD_SLACK = timedelta(seconds=5)
# A sixth of the guard stays free, since whatever else the phone sends counts too.
_GUARD_MARGIN = 6
_ANY_PARTS = 1 << 30


@dataclass(frozen=True)
class GuardLimit:
    """Android's own limit (SmsUsageMonitor): over it the phone asks its screen and holds the message."""

    max_parts: int
    interval_s: float

    @property
    def usable_parts(self) -> int:
        """What we allow ourselves of it."""
        return max(1, self.max_parts - -(-self.max_parts // _GUARD_MARGIN))

    @property
    def window(self) -> timedelta:
        """The interval as we count it."""
        return timedelta(seconds=self.interval_s) + GUARD_SLACK


@dataclass(frozen=True)
class Reserve:
    """What part of the hour, the day and the month of a SIM is kept for the upper classes, rounded down."""

    otp_percent: int = 0
    """Kept for `otp` alone."""
    transactional_percent: int = 0
    """Kept for `otp` and `transactional`, on top of the above."""

    def __post_init__(self) -> None:
        if min(self.otp_percent, self.transactional_percent) < 0 or self.otp_percent + self.transactional_percent > 99:
            raise ValueError("a reserve is 0 to 99 percent in all")

    def of(self, limit: int) -> tuple[int, int, int]:
        """Parts of a limit that are kept from each class, by its rank."""
        otp = limit * self.otp_percent // 100
        return 0, otp, otp + limit * self.transactional_percent // 100


NO_RESERVE = Reserve()


@dataclass(frozen=True)
class SimLimits:
    """The limits of one SIM."""

    parts_per_minute: int
    parts_per_day: int | None
    guard: GuardLimit
    zone: ZoneInfo
    """Whose midnight starts the day, and whose calendar the billing month."""
    parts_per_hour: int | None = None
    parts_per_month: int | None = None
    recipients_per_month: int | None = None
    """Different numbers that it may write to in a billing month."""
    month_reset_day: int = 1
    """The day (1 to 31) on which the billing month begins; in a shorter month its last day."""
    jitter_percent: int = 0
    """By how much at most a pause between two messages is lengthened, at random."""
    reserve: Reserve = NO_RESERVE


class SendHistory:
    """When a SIM was used for how many parts, in order of time."""

    def __init__(self, uses: Iterable[tuple[datetime, int]] = ()) -> None:
        self._uses = sorted(uses)

    def append(self, at: datetime, parts: int) -> None:
        """Add one use."""
        insort(self._uses, (at, parts))

    def since(self, start: datetime) -> list[tuple[datetime, int]]:
        """Give the uses at or after `start`."""
        return self._uses[bisect_left(self._uses, (start, 0)) :]

    def last(self) -> tuple[datetime, int] | None:
        """Give the latest use."""
        return self._uses[-1] if self._uses else None

    def clamp(self, now: datetime) -> None:
        """Move uses that lie in the future to `now`: the clock was set back, and they must not be forgotten."""
        first = bisect_right(self._uses, (now, _ANY_PARTS))
        self._uses[first:] = [(now, parts) for _, parts in self._uses[first:]]

    def prune(self, before: datetime) -> None:
        """Forget uses older than this."""
        self._uses = self.since(before)


@dataclass(frozen=True)
class Verdict:
    """The earliest moment that every limit allows, and the limit that is last to allow it."""

    allowed_at: datetime
    reason: WaitReason


def next_allowed(limits: SimLimits, history: SendHistory, parts: int, now: datetime) -> Verdict:
    """Say when a message of so many parts may be handed over; `allowed_at` is `now` where it may at once.

    Uses that lie in the future of `now` are moved to `now` in the history.
    """
    history.clamp(now)
    verdicts = [
        Verdict(_pace(limits, history, now), WaitReason.PACE),
        Verdict(_guard(limits.guard, history, parts, now), WaitReason.GUARD),
        Verdict(_day(limits, history, parts, now), WaitReason.QUOTA),
    ]
    return max(verdicts, key=lambda verdict: verdict.allowed_at)


def local_day_start(now: datetime, zone: ZoneInfo) -> datetime:
    """The last midnight in the zone, as an instant; days of 23 and 25 hours come out right."""
    return datetime.combine(now.astimezone(zone).date(), time(), zone)


def history_start(limits: SimLimits, now: datetime) -> datetime:
    """How far back the history must reach for `next_allowed` to be right."""
    return min(local_day_start(now, limits.zone), now - limits.guard.window, now - timedelta(minutes=10))


def _pace(limits: SimLimits, history: SendHistory, now: datetime) -> datetime:
    last = history.last()
    if last is None:
        return now
    at, parts = last
    return max(now, at + timedelta(minutes=parts / limits.parts_per_minute))


def _guard(guard: GuardLimit, history: SendHistory, parts: int, now: datetime) -> datetime:
    # A message of more parts than we allow ourselves goes when the window is empty.
    room = max(0, guard.usable_parts - parts)
    allowed_at = now
    inside = [use for use in history.since(now - guard.window) if use[0] > now - guard.window]
    used = sum(count for _, count in inside)
    for at, count in inside:
        if used <= room:
            break
        used -= count
        allowed_at = at + guard.window
    return allowed_at


def _day(limits: SimLimits, history: SendHistory, parts: int, now: datetime) -> datetime:
    if limits.parts_per_day is None:
        return now
    used = sum(count for _, count in history.since(local_day_start(now, limits.zone)))
    if used + parts <= limits.parts_per_day:
        return now
    tomorrow = now.astimezone(limits.zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), limits.zone)
