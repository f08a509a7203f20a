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
    """One bell for each waiting thread. Thread-safe.

    A change rings all of them. New messages ring as many of those that have found nothing to do as there are messages:
    a hundred lanes that get up for one message are ninety-nine too many.
    """

    def __init__(self) -> None:
        self._bells: set[threading.Event] = set()
        # Bells of those that found nothing to do, with the arrivals that they had looked at.
        self._resting: dict[threading.Event, int] = {}
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
            self._resting.pop(bell, None)

    def ring(self) -> None:
        """Wake everybody: something changed that may let a message go."""
        with self._lock:
            self.counts = Counts(self.counts.changes + 1, self.counts.arrivals)
            self._resting.clear()
            for bell in self._bells:
                bell.set()

    def ring_in(self, messages: int) -> None:
        """So many new messages have come, and nothing else has changed."""
        with self._lock:
            self.counts = Counts(self.counts.changes, self.counts.arrivals + 1)
            for bell in list(self._resting)[:messages]:
                self._wake(bell)

    def rise(self, bell: threading.Event) -> None:
        """The bell's owner is up and about: it will look by itself, and need not be rung."""
        with self._lock:
            self._resting.pop(bell, None)

    def rest(self, bell: threading.Event, looked_at: Counts) -> None:
        """The bell's owner found nothing to do when it looked at what had come until then."""
        with self._lock:
            if looked_at == self.counts:
                self._resting[bell] = looked_at.arrivals
            else:
                bell.set()

    def pass_on(self) -> None:
        """Who was rung for a new message cannot take it: wake another one that has not looked at it yet."""
        with self._lock:
            for bell, arrivals in self._resting.items():
                if arrivals < self.counts.arrivals:
                    self._wake(bell)
                    return

    def _wake(self, bell: threading.Event) -> None:
        del self._resting[bell]
        bell.set()
