"""Counts of what was used: over a window that slides, and by class. Pure.

A window of a given length ends at the moment that is asked about, and does not hold its own first instant: what was
used exactly one window ago is free again.

Where the clock was set back, a use lies ahead of what it shows. It counts at the moment at which that was first seen,
and at its own time once that has come: so it is neither lost now nor forgotten then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta

Totals = tuple[int, int, int]
"""Parts of each class, by rank."""
NOTHING: Totals = (0, 0, 0)
NO_KEPT: Totals = (0, 0, 0)
_TIDY_FROM = 64


def demand(totals: Totals, kept: Totals, rank: int) -> int:
    """How much of a limit is gone for a class: what was used, and what is kept for the classes above it.

    What the upper classes have used comes out of their reserve first.
    """
    otp, transactional, marketing = totals
    if rank == 0:
        return otp + transactional + marketing
    upper = max(otp, kept[1])
    if rank == 1:
        return upper + transactional + marketing
    return max(upper + transactional, kept[2]) + marketing


def plus(totals: Totals, rank: int, parts: int) -> Totals:
    """The totals with so many parts more of one class."""
    counts = list(totals)
    counts[rank] += parts
    return counts[0], counts[1], counts[2]


def both(one: Totals, other: Totals) -> Totals:
    """The sum of two totals, class by class."""
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


@dataclass(slots=True)
class _Early:
    """A use that lay ahead of the clock once."""

    at: datetime
    seen_at: datetime
    """The earliest moment that the clock has shown since: there it counts while its own time has not come."""
    placed_at: datetime
    rank: int
    parts: int


class SlidingUses:
    """Uses in order of time with running totals: any window is summed in O(log n)."""

    def __init__(self) -> None:
        self._at: list[datetime] = []
        self._uses: list[tuple[int, int]] = []
        # One longer than `_at`: the total before each use, and after the last.
        self._sums: list[Totals] = [NOTHING]
        self._early: list[_Early] = []
        self.forgotten_until: datetime | None = None
        """The latest use that was forgotten."""

    @property
    def latest_at(self) -> datetime | None:
        """When the last use was."""
        return self._at[-1] if self._at else None

    @property
    def latest_parts(self) -> int:
        """The parts of the last use; of several at the same instant, of the longest."""
        first = bisect_left(self._at, self._at[-1]) if self._at else 0
        return max((parts for _, parts in self._uses[first:]), default=0)

    def add(self, at: datetime, rank: int, parts: int) -> None:
        """Count a use; O(1) where it is the latest."""
        index = bisect_right(self._at, at)
        self._at.insert(index, at)
        self._uses.insert(index, (rank, parts))
        self._sum_from(index)

    def remove(self, at: datetime, rank: int, parts: int) -> bool:
        """Take a use back; False where there is none like it."""
        for index, use in enumerate(self._early):
            if (use.at, use.rank, use.parts) == (at, rank, parts):
                del self._early[index]
                return self._drop(use.placed_at, rank, parts)
        return self._drop(at, rank, parts)

    def turn_to(self, now: datetime) -> bool:
        """Count uses that lie after `now` at the earliest moment that was asked about since, all others at their own.

        True where that changes anything.
        """
        changed = False
        for use in self._early:
            if use.at > now:
                use.seen_at = min(use.seen_at, now)
            place = use.seen_at if use.at > now else use.at
            if place != use.placed_at:
                self._drop(use.placed_at, use.rank, use.parts)
                self.add(place, use.rank, use.parts)
                use.placed_at = place
                changed = True
        if not self._at or self._at[-1] <= now:
            return changed
        first = bisect_right(self._at, now)
        late = zip(self._at[first:], self._uses[first:], strict=True)
        self._early += [_Early(at, now, now, rank, parts) for at, (rank, parts) in late]
        self._at[first:] = [now] * (len(self._at) - first)
        return True

    def forget(self, before: datetime) -> None:
        """Drop most of what is older than this, now and then, but never the last use."""
        if self._early:
            self._early = [use for use in self._early if use.at >= before]
        count = min(bisect_left(self._at, before), len(self._at) - 1)
        if count < _TIDY_FROM or count * 2 < len(self._at):
            return
        self.forgotten_until = self._at[count - 1]
        del self._at[:count], self._uses[:count], self._sums[:count]

    def totals(self, now: datetime, span: timedelta) -> Totals:
        """What was used in the window that ends now."""
        return self._totals_from(bisect_right(self._at, now - span))

    def free_at(
        self, now: datetime, span: timedelta, limit: int, parts: int, kept: Totals = NO_KEPT, rank: int = 0
    ) -> datetime | None:
        """The first moment at which so many parts more fit into the window; None where an empty one is too small."""
        room = limit - parts
        low = bisect_right(self._at, now - span)
        if demand(self._totals_from(low), kept, rank) <= room:
            return now
        high = len(self._at)
        if demand(NOTHING, kept, rank) > room:
            return None
        # The demand only falls as uses leave the window, so the first that is low enough can be halved for.
        while high - low > 1:
            middle = (low + high) // 2
            if demand(self._totals_from(middle), kept, rank) <= room:
                high = middle
            else:
                low = middle
        return self._at[high - 1] + span

    def _drop(self, at: datetime, rank: int, parts: int) -> bool:
        for index in range(bisect_left(self._at, at), bisect_right(self._at, at)):
            if self._uses[index] == (rank, parts):
                del self._at[index], self._uses[index]
                self._sum_from(index)
                return True
        return False

    def _totals_from(self, index: int) -> Totals:
        before, after = self._sums[index], self._sums[-1]
        return after[0] - before[0], after[1] - before[1], after[2] - before[2]

    def _sum_from(self, index: int) -> None:
        del self._sums[index + 1 :]
        for rank, parts in self._uses[index:]:
            self._sums.append(plus(self._sums[-1], rank, parts))
