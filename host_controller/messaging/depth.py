"""How far one phone has looked into queues that are longer than one look: the next look goes on from there.

Pure. A look costs the writer no more than some windows, however long the queue; so that in the end all of it is seen,
what a look has passed in vain is left aside for a time. Then, or soon where something changed, it begins anew.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# What is passed may go later all the same: its SIM has room again, or another one fails over.
_KEPT_FOR = timedelta(minutes=10)
# Where something changed. No less: on a rack where much changes the end would never be seen.
_KEPT_AT_LEAST = timedelta(minutes=1)
# Between two such looks of all phones together.
_REST = timedelta(seconds=0.2)


@dataclass(slots=True)
class _Place:
    after: int
    """The last id that was looked at."""
    began_at: datetime
    changes: int
    looks: int = 0


class Depth:
    """The places of one phone, by what it looks into. For the store's writer."""

    def __init__(self) -> None:
        self._places: dict[Hashable, _Place] = {}
        self._now = datetime.min.replace(tzinfo=UTC)
        self._changes = 0
        self._phones = 1
        self.is_cut = False
        """Whether the last look ended before the end of what it looked into."""

    @property
    def goes_on_at(self) -> datetime | None:
        """When to look again, so that all phones together leave the writer to others; None where all was seen."""
        return self._now + self._rest if self.is_cut else None

    def begin(self, now: datetime, changes: int, phones: int) -> None:
        """A look begins. `changes` counts what may have changed what old messages wait for."""
        self._now, self._changes, self._phones, self.is_cut = now, changes, max(1, phones), False
        self._places = {key: place for key, place in self._places.items() if self._is_kept(place, now)}

    def after(self, key: Hashable) -> int:
        """Give the id up to which it was looked at in vain, beyond the window that all phones share."""
        place = self._places.get(key)
        return place.after if place else 0

    def cut(self, key: Hashable, after: int) -> None:
        """Nothing suits the phone up to this id, and there is more."""
        place = self._places.setdefault(key, _Place(after, self._now, self._changes))
        place.after = max(after, place.after)
        place.looks += 1
        self.is_cut = True

    @property
    def _rest(self) -> timedelta:
        return _REST * self._phones

    def _is_kept(self, place: _Place, now: datetime) -> bool:
        kept_for = _KEPT_FOR if place.changes == self._changes else _KEPT_AT_LEAST
        # The longer the way, the longer it stays: what lies at its end must get its time.
        return timedelta() <= now - place.began_at < kept_for + 2 * place.looks * self._rest
