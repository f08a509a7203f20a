"""Whether an Odoo has what only setup makes there. What is not there is not kept in step, and nobody is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from odoo_sync.errors import OdooRecordError

# Who has just set it up sees it within this; who has not pays one call in it.
_LOOK_EVERY = timedelta(minutes=5)


class Presence:
    """Of one thing."""

    def __init__(self, ask: Callable[[], bool], clock: Callable[[], datetime]) -> None:
        """`ask` asks Odoo; an OdooRecordError of it says no too."""
        self._ask = ask
        self._clock = clock
        self._is_there = False
        self._asked_at: datetime | None = None

    def look(self, *, anew: bool = False) -> bool:
        """Tell whether it is there, as of the last minutes, or of now. Raises OdooSyncError."""
        now = self._clock()
        if anew or self._asked_at is None or not timedelta() <= now - self._asked_at < _LOOK_EVERY:
            try:
                self._is_there = self._ask()
            except OdooRecordError:
                self._is_there = False
            self._asked_at = now
        return self._is_there
