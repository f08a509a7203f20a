"""How much a SIM may send, counted in parts. Pure values; the ledger says what they come to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

# The phone counts at its own arrival times: a window of ours must hold for every window of its.
GUARD_SLACK = timedelta(seconds=5)
# A sixth of the guard stays free, since whatever else the phone sends counts too.
_GUARD_MARGIN = 6


# Confirmation is one query for all open attempts of a phone: many make its answer long, and a phone that is lost then
# leaves as many in doubt. So few as let an ordinary SIM go on at its pace; a fast one needs what it sends meanwhile.
_FEW_UNCONFIRMED, _MANY_UNCONFIRMED = 8, 2500
_PROOF_TAKES_S = 12.0


def most_unconfirmed(parts_per_minute: int) -> int:
    """How many messages may wait for their proof on a phone whose SIMs send so much.

    A proof takes two readings, which are seconds apart, and each starts a program on the phone.
    """
    meanwhile = math.ceil(parts_per_minute / 60 * _PROOF_TAKES_S)
    return min(max(meanwhile, _FEW_UNCONFIRMED), _MANY_UNCONFIRMED)


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
    self_paced: bool = False
    """Whether the phone itself keeps the pace of what it was handed: then nothing waits for it here."""

    @property
    def lasting_parts_per_minute(self) -> float:
        """What it can keep up for hours: the least that its pace, the guard and its hour let through."""
        rates = [float(self.parts_per_minute), 60 * self.guard.usable_parts / self.guard.window.total_seconds()]
        if self.parts_per_hour is not None:
            rates.append(self.parts_per_hour / 60)
        return min(rates)

    @property
    def has_month(self) -> bool:
        """Whether anything is limited by the billing month."""
        return self.parts_per_month is not None or self.recipients_per_month is not None
