"""A time in which nothing could be sent, and what it does to messages that were due meanwhile. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Outage:
    """No daemon ran, no phone was ready, or a person held the whole rack."""

    since: datetime
    """When a SIM was free to send for the last time."""
    until: datetime
    """When one is so again."""

    @property
    def length(self) -> timedelta:
        """How long it was; negative where the clock was set back."""
        return self.until - self.since

    def lateness(self, due: datetime) -> timedelta:
        """Say by how much it has made a message late that might have gone from `due` on.

        Not counted is what the message had waited before, for a quota or for its turn.
        """
        return self.until - max(due, self.since)
