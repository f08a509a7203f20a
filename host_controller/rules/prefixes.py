"""Caps for numbers that begin alike: so many parts an hour and a day. Pure: takes `now`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from host_controller.errors import ConfigError
from host_controller.rules.day_book import DayBook, period_wait
from host_controller.rules.periods import day_start, local_date
from host_controller.rules.waiting import Wait, WaitReason, longest
from host_controller.rules.windows import NO_KEPT, SlidingUses
from host_controller.text.msisdn import Msisdn

_T = TypeVar("_T")
_HOUR = timedelta(hours=1)


class PrefixTable(Generic[_T]):
    """Values by the beginning of a number, like `+42090`; the longest that fits wins, `+` fits every number."""

    def __init__(self, values: Mapping[str, _T]) -> None:
        for prefix in values:
            if not prefix.startswith("+") or not (prefix == "+" or prefix[1:].isdecimal()):
                raise ConfigError(f"{prefix!r} is no beginning of a number; write it like +42090")
        self._values = dict(values)
        self._lengths = sorted({len(prefix) for prefix in values}, reverse=True)

    def longest(self, msisdn: Msisdn) -> tuple[str, _T] | None:
        """The longest beginning that fits, and its value."""
        for length in self._lengths:
            prefix = msisdn.e164[:length]
            if prefix in self._values:
                return prefix, self._values[prefix]
        return None


@dataclass(frozen=True)
class PrefixCap:
    """How many parts the rack may send to numbers of one beginning; None where that is not limited."""

    parts_per_hour: int | None = None
    parts_per_day: int | None = None

    @property
    def most_parts(self) -> int | None:
        """How many parts the longest message may have that ever goes; None for any."""
        return min((cap for cap in (self.parts_per_hour, self.parts_per_day) if cap is not None), default=None)


@dataclass(frozen=True, slots=True)
class PrefixUse:
    """One message that was handed over, as far as prefixes go."""

    at: datetime
    msisdn: Msisdn
    parts: int


class PrefixLedger:
    """What was sent to each capped beginning; a message counts for its longest one alone. Not for several threads."""

    def __init__(self, caps: Mapping[str, PrefixCap], zone: ZoneInfo, uses: Iterable[PrefixUse] = ()) -> None:
        self._table = PrefixTable(caps)
        self._zone = zone
        self._counts = {prefix: (SlidingUses(), DayBook(zone, 1, recipients=False)) for prefix in caps}
        for use in sorted(uses, key=lambda use: use.at):
            self.recall(use)

    def note(self, use: PrefixUse) -> None:
        """Count a message that goes out now."""
        self._count(use, forget=True)

    def recall(self, use: PrefixUse) -> None:
        """Count a message that is on record."""
        self._count(use, forget=False)

    def take_back(self, use: PrefixUse) -> None:
        """Uncount a message that certainly did not leave."""
        found = self._table.longest(use.msisdn)
        if found is not None:
            at = use.at.astimezone(UTC)
            sliding, book = self._counts[found[0]]
            sliding.remove(at, 0, use.parts)
            book.remove(at, 0, use.parts, "")

    def next_allowed(self, msisdn: Msisdn, parts: int, now: datetime) -> Wait | None:
        """Say what holds a message and until when; None where no cap does."""
        found = self._table.longest(msisdn)
        if found is None:
            return None
        now, (prefix, cap) = now.astimezone(UTC), found
        sliding, book = self._counts[prefix]
        book.turn_to(now)
        if sliding.turn_to(now):
            book.count_anew()
        return longest((_hour_wait(cap, sliding, parts, now), _day_wait(cap, book, parts)))

    def start(self, now: datetime) -> datetime:
        """How far back the rows must reach."""
        return min(now.astimezone(UTC) - _HOUR, day_start(local_date(now, self._zone), self._zone))

    def _count(self, use: PrefixUse, *, forget: bool) -> None:
        found = self._table.longest(use.msisdn)
        if found is None:
            return
        at = use.at.astimezone(UTC)
        sliding, book = self._counts[found[0]]
        sliding.add(at, 0, use.parts)
        book.add(at, 0, use.parts, "")
        # A row on record may come from a clock that was ahead.
        if forget:
            sliding.forget(at - _HOUR)
            book.forget_before(at)


def _hour_wait(cap: PrefixCap, sliding: SlidingUses, parts: int, now: datetime) -> Wait | None:
    if cap.parts_per_hour is None:
        return None
    free_at = sliding.free_at(now, _HOUR, cap.parts_per_hour, parts)
    if free_at == now:
        return None
    return Wait(free_at, WaitReason.TOO_LONG if free_at is None else WaitReason.PREFIX_CAP)


def _day_wait(cap: PrefixCap, book: DayBook, parts: int) -> Wait | None:
    if cap.parts_per_day is None:
        return None
    full = Wait(book.today_until, WaitReason.PREFIX_CAP)
    return period_wait(cap.parts_per_day, book.day, NO_KEPT, 0, parts, full)
