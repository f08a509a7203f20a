"""What one SIM has sent, and when it may send again under all of its limits. Pure: takes `now`, keeps no clock.

Built from rows at a start and kept up to date use by use: uses of the last hour one by one, older ones as totals of
their local day. Days and months are looked up, never reset.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from host_controller.rules.classes import MessageClass
from host_controller.rules.day_book import DayBook, period_wait
from host_controller.rules.limits import SimLimits
from host_controller.rules.periods import day_start, local_date, month_start
from host_controller.rules.ramp import NO_RAMP, Ramp
from host_controller.rules.waiting import Wait, WaitReason, longest
from host_controller.rules.windows import NOTHING, SlidingUses, Totals, demand

ONE_HOUR = timedelta(hours=1)
_MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Use:
    """One message that a SIM was used for: from the intent on, unless it certainly did not leave."""

    at: datetime
    parts: int
    message_class: MessageClass
    recipient: str = field(repr=False)
    """In E.164."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a SIM has used, in parts of each class; days and months are those of its zone."""

    hour: Totals = NOTHING
    """In the last 60 minutes."""
    day: Totals = NOTHING
    month: Totals = NOTHING
    """In this billing month, where it has a limit by the month."""
    recipients: int = 0
    """Different numbers in this billing month, where it has a limit of them."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a SIM may still send for a class, in parts; None where nothing limits it."""

    hour: int | None
    day: int | None
    month: int | None
    recipients: int | None
    """New numbers in this billing month."""


class SimLedger:
    """The counters of one SIM. A question costs O(log n) in the uses of the last hour.

    `since` says from when on the uses are all there; None where there are no earlier ones. Of what is older than
    `each_since` totals are enough: `earlier` has them as one use for all that is equal of a local day. Not for several
    threads. Where the limits change, or `covers(now)` is false, build a new one from the rows.
    """

    def __init__(
        self,
        limits: SimLimits,
        uses: Iterable[Use] = (),
        earlier: Iterable[Use] = (),
        *,
        since: datetime | None = None,
        each_since: datetime | None = None,
        seed: int = 0,
    ) -> None:
        self.limits = limits
        self._since = since
        self._each_since = each_since
        self._seed = seed
        self._sliding = SlidingUses()
        self._guard_parts, self._guard_window = limits.guard.usable_parts, limits.guard.window
        self._keep = kept_singly(limits)
        self._pause = timedelta()
        self._book = DayBook(limits.zone, limits.month_reset_day, recipients=limits.recipients_per_month is not None)
        self._kept_hour = limits.reserve.of(limits.parts_per_hour or 0)
        self._kept_day = limits.reserve.of(limits.parts_per_day or 0)
        self._kept_month = limits.reserve.of(limits.parts_per_month or 0)
        self._kept_recipients = limits.reserve.of(limits.recipients_per_month or 0)
        for use in sorted(earlier, key=lambda use: use.at):
            self._book.add(use.at.astimezone(UTC), use.message_class.rank, use.parts, use.recipient)
        for use in sorted(uses, key=lambda use: use.at):
            self._count(use)

    def note(self, use: Use) -> None:
        """Count a use; O(1) where it is the latest."""
        self._count(use)
        self._sliding.forget(use.at - self._keep)
        self._book.forget_before(use.at)

    def _count(self, use: Use) -> None:
        at, rank = use.at.astimezone(UTC), use.message_class.rank
        latest = self._sliding.latest_at
        if latest is None or at >= latest:
            pause = pause_after(self.limits, use.parts, at, self._seed)
            self._pause = max(pause, self._pause) if at == latest else pause
        self._sliding.add(at, rank, use.parts)
        self._book.add(at, rank, use.parts, use.recipient)

    def take_back(self, use: Use) -> bool:
        """Uncount a use that turned out not to have left; where it says False, build a new ledger from the rows."""
        at, rank = use.at.astimezone(UTC), use.message_class.rank
        if not self._book.remove(at, rank, use.parts, use.recipient):
            return False
        if not self._sliding.remove(at, rank, use.parts):
            forgotten = self._sliding.forgotten_until
            return forgotten is not None and at <= forgotten
        self._find_pause()
        return True

    def next_allowed(
        self, parts: int, message_class: MessageClass, recipient: str | None, now: datetime, ramp: Ramp = NO_RAMP
    ) -> Wait | None:
        """Say what holds a message for longest and until when; None where it may be handed over now.

        `recipient` None is one that the SIM has written to in this month. `ramp` slows its pace.
        """
        now = now.astimezone(UTC)
        self._turn_to(now)
        rank = message_class.rank
        return longest(
            (
                self._pace(now, ramp),
                self._guard(parts, now),
                self._hour(parts, rank, now),
                self._day(parts, rank),
                self._month(parts, rank),
                self._new_recipient(rank, recipient),
            )
        )

    def spent(self, now: datetime) -> Spent:
        """Say what the SIM has used."""
        now = now.astimezone(UTC)
        self._turn_to(now)
        book = self._book
        return Spent(self._sliding.totals(now, ONE_HOUR), book.day, book.month, book.distinct)

    def left(self, message_class: MessageClass, now: datetime) -> Left:
        """Say what the SIM may still send for a class, leaving pace and guard aside."""
        return left_of(self.limits, self.spent(now), message_class)

    def covers(self, now: datetime) -> bool:
        """Say whether it still holds what a question at `now` needs: it does unless the clock was set far back."""
        if self._since is not None and self._since > ledger_start(self.limits, now):
            return False
        if self._each_since is not None and self._each_since > now - self._keep:
            return False
        forgotten, day = self._sliding.forgotten_until, self._book.forgotten_day
        month = month_start(local_date(now, self.limits.zone), self.limits.month_reset_day)
        return (forgotten is None or forgotten <= now - self._keep) and (day is None or day < month)

    def _turn_to(self, now: datetime) -> None:
        self._book.turn_to(now)
        if self._sliding.turn_to(now):
            self._book.count_anew()
            self._find_pause()

    def _find_pause(self) -> None:
        latest = self._sliding.latest_at
        if latest is not None:
            self._pause = pause_after(self.limits, self._sliding.latest_parts, latest, self._seed)

    def _pace(self, now: datetime, ramp: Ramp) -> Wait | None:
        latest = self._sliding.latest_at
        if latest is None:
            return None
        free_at = ramp.free_at(latest, self._pause)
        return Wait(free_at, WaitReason.PACE) if free_at > now else None

    def _guard(self, parts: int, now: datetime) -> Wait | None:
        # A message of more parts than we allow ourselves goes when the window is empty.
        free_at = self._sliding.free_at(now, self._guard_window, max(self._guard_parts, parts), parts)
        return None if free_at == now else Wait(free_at, WaitReason.GUARD)

    def _hour(self, parts: int, rank: int, now: datetime) -> Wait | None:
        limit = self.limits.parts_per_hour
        if limit is None:
            return None
        free_at = self._sliding.free_at(now, ONE_HOUR, limit, parts, self._kept_hour, rank)
        if free_at == now:
            return None
        if free_at is None:
            return Wait(None, WaitReason.TOO_LONG)
        used = sum(self._sliding.totals(now, ONE_HOUR))
        return Wait(free_at, WaitReason.HOUR if used + parts > limit else WaitReason.RESERVE)

    def _day(self, parts: int, rank: int) -> Wait | None:
        limit = self.limits.parts_per_day
        if limit is None:
            return None
        room_at = self._book.today_until
        return period_wait(limit, self._book.day, self._kept_day, rank, parts, Wait(room_at, WaitReason.QUOTA))

    def _month(self, parts: int, rank: int) -> Wait | None:
        limit = self.limits.parts_per_month
        if limit is None:
            return None
        room_at = self._book.month_until
        return period_wait(limit, self._book.month, self._kept_month, rank, parts, Wait(room_at, WaitReason.MONTH))

    def _new_recipient(self, rank: int, recipient: str | None) -> Wait | None:
        limit = self.limits.recipients_per_month
        if limit is None or recipient is None or self._book.distinct < limit - self._kept_recipients[rank]:
            return None
        if self._book.has_written_to(recipient):
            return None
        full = self._book.distinct >= limit
        return Wait(self._book.month_until, WaitReason.RECIPIENTS if full else WaitReason.RESERVE)


def ledger_start(limits: SimLimits, now: datetime) -> datetime:
    """How far back the rows must reach for a ledger to be right at `now`."""
    today = local_date(now, limits.zone)
    first = month_start(today, limits.month_reset_day) if limits.has_month else today
    since = day_start(first, limits.zone)
    return min(since, now.astimezone(UTC) - kept_singly(limits))


def kept_singly(limits: SimLimits) -> timedelta:
    """How long each use counts by itself; of older ones the totals of their days are enough."""
    return max(ONE_HOUR, limits.guard.window)


def left_of(limits: SimLimits, spent: Spent, message_class: MessageClass) -> Left:
    """Say what is left for a class of what a SIM may send."""
    rank, reserve = message_class.rank, limits.reserve

    def room(limit: int | None, used: Totals) -> int | None:
        return None if limit is None else max(0, limit - demand(used, reserve.of(limit), rank))

    new = limits.recipients_per_month
    return Left(
        room(limits.parts_per_hour, spent.hour),
        room(limits.parts_per_day, spent.day),
        room(limits.parts_per_month, spent.month),
        None if new is None else max(0, new - reserve.of(new)[rank] - spent.recipients),
    )


def most_parts(limits: SimLimits, message_class: MessageClass) -> int | None:
    """The longest message that a SIM ever takes of a class; None where nothing limits it."""
    caps = (limits.parts_per_hour, limits.parts_per_day, limits.parts_per_month)
    rooms = [cap - limits.reserve.of(cap)[message_class.rank] for cap in caps if cap is not None]
    return min(rooms, default=None)


def pause_after(limits: SimLimits, parts: int, at: datetime, seed: int) -> timedelta:
    """How long a SIM rests after a message; what chance adds is the same for the same message and seed."""
    if limits.self_paced:
        return timedelta()
    pause_us = -(-parts * _MINUTE_US // limits.parts_per_minute)
    if limits.jitter_percent:
        chance = zlib.crc32(f"{seed} {at.isoformat()}".encode()) / 0xFFFFFFFF
        pause_us += int(pause_us * chance * limits.jitter_percent / 100)
    return timedelta(microseconds=pause_us)
