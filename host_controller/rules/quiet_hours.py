"""When a message may reach its recipient: hours and holidays of the recipient's country, by class. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers import timezone as number_zones

from host_controller.errors import ConfigError
from host_controller.rules.classes import MessageClass
from host_controller.rules.periods import ONE_DAY, day_start, first_change, local_date
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.text.msisdn import Msisdn

ANYWHERE: Final = "*"
"""Stands for every country that has no hours of its own."""
_HORIZON = timedelta(days=400)
_INSTANT = timedelta(microseconds=1)
_CLOCK = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")
_MIDNIGHT_MINUTE = 24 * 60

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class OpenHours:
    """The minutes of each day, Monday first, from and until which messages may go; None closes the day."""

    week: tuple[tuple[int, int] | None, ...]
    on_holidays: bool = False

    @classmethod
    def daily(cls, opens: str, closes: str, days: str = "1111111", *, on_holidays: bool = False) -> OpenHours:
        """Make hours like 08:00 to 20:00 (or 24:00); `days` has a 1 for each open day, Monday first.

        Raises ConfigError.
        """
        if not re.fullmatch("[01]{7}", days):
            raise ConfigError(f"{days!r} are no days; write a 1 for each open one, Monday first, like 1111110")
        hours = (_minute(opens), _minute(closes))
        if hours[0] >= hours[1]:
            raise ConfigError(f"hours from {opens} to {closes} never open; write the earlier time first")
        return cls(tuple(hours if day == "1" else None for day in days), on_holidays)


GOOD_PRACTICE = OpenHours(((8 * 60, 20 * 60),) * 6 + (None,))
"""Monday to Saturday, 8 to 20, no holidays."""


@dataclass(frozen=True)
class QuietRules:
    """Open hours by class and country; a class, or a country, without any is always open."""

    hours: Mapping[MessageClass, Mapping[str, OpenHours]] = field(
        default_factory=lambda: {MessageClass.MARKETING: {ANYWHERE: GOOD_PRACTICE}}
    )
    holidays: Mapping[str, frozenset[date]] = field(default_factory=dict)
    """By country."""

    def hours_for(self, message_class: MessageClass, region: str) -> OpenHours | None:
        """The hours that hold; None where there are none."""
        by_region = self.hours.get(message_class, {})
        return by_region.get(region, by_region.get(ANYWHERE))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a recipient may be, as far as the number tells."""

    region: str
    """Two letters; 001 for a number of the whole world."""
    zones: tuple[ZoneInfo, ...]


@lru_cache(maxsize=65_536)
def place_of(msisdn: Msisdn, home_zone: ZoneInfo) -> Place:
    """The country of a number and every zone it may be in; `home_zone` where no zone is known.

    A number that tells its town has that town's zone, any other all zones of its country.
    """
    number = phonenumbers.parse(msisdn.e164)
    region = phonenumbers.region_code_for_number(number) or ""
    zones = [_zone(name) for name in number_zones.time_zones_for_number(number)]
    return Place(region, tuple(zone for zone in zones if zone is not None) or (home_zone,))


@lru_cache(maxsize=65_536)
def region_of(e164: str) -> str:
    """The country of a number, as `place_of` gives it; empty where none is known."""
    return phonenumbers.region_code_for_number(phonenumbers.parse(e164)) or ""


def next_moment(rules: QuietRules, message_class: MessageClass, place: Place, now: datetime) -> Wait | None:
    """Say what holds a message by the hours of its recipient; None where it may go now.

    No time where the hours never open.
    """
    now = now.astimezone(UTC)
    open_at = _next_open(rules, message_class, place, now)
    return None if open_at == now else Wait(open_at, WaitReason.QUIET_HOURS)


def _next_open(rules: QuietRules, message_class: MessageClass, place: Place, now: datetime) -> datetime | None:
    hours = rules.hours_for(message_class, place.region)
    if hours is None:
        return now
    holidays = frozenset() if hours.on_holidays else rules.holidays.get(place.region, frozenset())
    at, last = now, now + _HORIZON
    while at <= last:
        # It must be open in every zone at once: the latest opening is tried in all of them again.
        opening = max(_next_in_zone(hours, holidays, zone, at, last) for zone in place.zones)
        if opening == at:
            return at
        at = opening
    return None


def _next_in_zone(
    hours: OpenHours, holidays: frozenset[date], zone: ZoneInfo, at: datetime, last: datetime
) -> datetime:
    day = local_date(at, zone)
    while True:
        if day not in holidays:
            for start, end in open_spans(hours, day, zone):
                if at < end:
                    return max(at, start)
        day += ONE_DAY
        if day_start(day, zone) > last:
            return last + ONE_DAY


@lru_cache(maxsize=4096)
def open_spans(hours: OpenHours, day: date, zone: ZoneInfo) -> tuple[Span, ...]:
    """The spans of a local day during which its clocks show an open hour; two where an hour comes twice."""
    minutes = hours.week[day.weekday()]
    if minutes is None:
        return ()
    spans = []
    for start, end, offset in _even_pieces(day, zone):
        midnight = datetime.combine(day, time(), UTC) - offset
        opens = max(start, midnight + timedelta(minutes=minutes[0]))
        closes = min(end, midnight + timedelta(minutes=minutes[1]))
        if opens < closes:
            spans.append((opens, closes))
    return tuple(spans)


def _even_pieces(day: date, zone: ZoneInfo) -> list[tuple[datetime, datetime, timedelta]]:
    start, end = day_start(day, zone), day_start(day + ONE_DAY, zone)
    before, after = _offset(start, zone), _offset(end - _INSTANT, zone)
    if before == after:
        return [(start, end, before)]
    change = first_change(start, end - _INSTANT, lambda at: _offset(at, zone) != before)
    return [(start, change, before), (change, end, after)]


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _zone(name: str) -> ZoneInfo | None:
    try:
        return None if name == number_zones.UNKNOWN_TIMEZONE else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None


def _minute(text: str) -> int:
    match = _CLOCK.fullmatch(text)
    minute = int(match[1]) * 60 + int(match[2]) if match else _MIDNIGHT_MINUTE + 1
    if minute > _MIDNIGHT_MINUTE:
        raise ConfigError(f"{text!r} is no time of day; write it like 08:00, at most 24:00")
    return minute
