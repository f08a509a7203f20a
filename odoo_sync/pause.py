"""How long an Odoo that fails is left alone: longer with every failure, never for ever, and never in step with others.

Pure; takes `now`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

# Doubled oftener, it would be longer than any longest pause.
_MOST_DOUBLINGS = 16


class Pause:
    """The wait between tries."""

    def __init__(self, first_s: float, longest_s: float, chance: Callable[[], float] = random.random) -> None:
        """After one failure about `first_s`, doubled with each more, at most `longest_s`; `chance` is from 0 to 1."""
        self._first_s = first_s
        self._longest_s = longest_s
        self._chance = chance
        self._failures = 0
        self._until: datetime | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def note_failure(self, now: datetime) -> datetime:
        """Begin the next wait; give when it ends."""
        wait_s = min(self._first_s * 2.0 ** min(self._failures, _MOST_DOUBLINGS), self._longest_s)
        self._failures += 1
        # From half of it to all of it: several that failed at once do not come back at once.
        self._until = now + timedelta(seconds=wait_s * (1 + self._chance()) / 2)
        return self._until

    def note_success(self) -> None:
        """The next failure is a first one."""
        self._failures, self._until = 0, None

    def is_on(self, now: datetime) -> bool:
        """Tell whether to leave it alone. A clock that was set back does not lengthen the wait."""
        return self._until is not None and now < self._until <= now + timedelta(seconds=self._longest_s)
