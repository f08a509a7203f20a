"""Wake-ups: who waits for something to do is rung, instead of looking again and again."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """How often something happened since the start."""

    changes: int = 0
    """Something that may let an old message go: a limit, a hold, a phone, a message that was given back."""
    arrivals: int = 0
    """New messages."""


class Bells:
    """One bell for each waiting thread; ringing reaches all of them. Thread-safe."""

    def __init__(self) -> None:
        self._bells: set[threading.Event] = set()
        self._lock = threading.Lock()
        self.counts = Counts()
        """For who remembers what was there when it last looked."""

    def hang(self) -> threading.Event:
        """Give a new bell; its owner waits on it and clears it."""
        bell = threading.Event()
        with self._lock:
            self._bells.add(bell)
        return bell

    def take_down(self, bell: threading.Event) -> None:
        """Forget a bell."""
        with self._lock:
            self._bells.discard(bell)

    def ring(self) -> None:
        """Wake everybody: something changed that may let a message go."""
        with self._lock:
            self.counts = Counts(self.counts.changes + 1, self.counts.arrivals)
            for bell in self._bells:
                bell.set()

    def ring_in(self) -> None:
        """Wake everybody: new messages have come, and nothing else has changed."""
        with self._lock:
            self.counts = Counts(self.counts.changes, self.counts.arrivals + 1)
            for bell in self._bells:
                bell.set()
