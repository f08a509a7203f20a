"""How a SIM comes back to its pace after a time in which nothing could be sent: in steps. Pure.

A phone that was silent for long and then sends a backlog at full speed looks like spam to its network; and what is
wrong after an outage is seen while few messages have gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_WHOLE = 4
_STEPS = (1, 2, 3)
"""Quarters of the pace, each for an equal part of the time."""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Ramp:
    """One return to full pace, or none at all."""

    bends: tuple[tuple[datetime, int], ...] = ()
    """Moments, and how many quarters of the pace hold until each of them; after the last it is the whole."""

    @classmethod
    def up(cls, begins_at: datetime, lasts: timedelta) -> Ramp:
        """Give the ramp that begins at a moment and is over after so long; none where that is no time at all."""
        if lasts <= timedelta():
            return NO_RAMP
        begins_at = begins_at.astimezone(UTC)
        steps = [(begins_at + lasts * (index + 1) / len(_STEPS), step) for index, step in enumerate(_STEPS)]
        return cls(((begins_at, _WHOLE), *steps))

    @property
    def ends_at(self) -> datetime | None:
        """From when on nothing is slowed."""
        return self.bends[-1][0] if self.bends else None

    def is_on(self, now: datetime) -> bool:
        """Say whether it slows what is sent now."""
        return bool(self.bends) and self.bends[0][0] <= now < self.bends[-1][0]

    def free_at(self, at: datetime, pause: timedelta) -> datetime:
        """Say when a pause is over that began then, and would take so long at full pace."""
        left_us = pause // _MICROSECOND * _WHOLE
        for until, quarters in self.bends:
            if until > at:
                done_us = (until - at) // _MICROSECOND * quarters
                if done_us >= left_us:
                    return at + _rounded_up(left_us, quarters)
                at, left_us = until, left_us - done_us
        return at + _rounded_up(left_us, _WHOLE)

    def work(self, start: datetime, end: datetime) -> timedelta:
        """Say how much time at full pace the time from `start` to `end` is worth."""
        done_us, at = 0, start
        for until, quarters in self.bends:
            if at < until:
                until = min(until, end)
                done_us += max(until - at, timedelta()) // _MICROSECOND * quarters
                at = max(at, until)
        done_us += max(end - at, timedelta()) // _MICROSECOND * _WHOLE
        return timedelta(microseconds=done_us // _WHOLE)


NO_RAMP = Ramp()


def _rounded_up(left_us: int, quarters: int) -> timedelta:
    return timedelta(microseconds=-(-left_us // quarters))
