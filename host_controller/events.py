"""Wake-ups: who waits for something to do is rung, instead of looking again and again."""

from __future__ import annotations

import threading


class Bells:
    """One bell for each waiting thread; ringing reaches all of them. Thread-safe."""

    def __init__(self) -> None:
        self._bells: set[threading.Event] = set()
        self._lock = threading.Lock()

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
            for bell in self._bells:
                bell.set()
