"""When an inbox is read of which somebody has heard that a message comes in. Pure, but for a lock."""

from __future__ import annotations

import math
import threading

# Who writes the row is an app, which may have to be started first.
_LOOKS = 2


class Hearing:
    """Of one phone. Thread-safe: one thread hears, another one reads; both tell the same clock."""

    def __init__(self, read_after_s: float, pause_s: float) -> None:
        """A row is there `read_after_s` after its message was heard of, or `pause_s` later; no look comes sooner."""
        self._read_after_s = read_after_s
        self._pause_s = pause_s
        self._heard_s = self._not_before_s = -math.inf
        self._due_s = math.inf
        self._looks_left = 0
        self._lock = threading.Lock()

    @property
    def due_s(self) -> float:
        """When it is to be read; infinite where nothing was heard since."""
        return self._due_s

    def note(self, now_s: float) -> bool:
        """A message was heard of; tell whether a reading is due that was not before."""
        with self._lock:
            self._heard_s = now_s
            self._looks_left = _LOOKS
            if self._due_s < math.inf:
                return False
            self._due_s = self._first_chance_s()
            return True

    def begin_reading(self, now_s: float) -> None:
        """The inbox is read, for whatever reason. What was heard just now may not be in it yet, and stays due."""
        with self._lock:
            if now_s >= self._due_s:
                self._not_before_s = now_s + self._pause_s
            if now_s < self._heard_s + self._read_after_s:
                self._due_s = self._first_chance_s()
            elif self._due_s < math.inf:
                self._due_s = math.inf
                self._looks_left -= 1

    def end_reading(self, now_s: float, *, found_any: bool) -> None:
        """The reading that began then is done: where nothing had come in, it is done once more."""
        with self._lock:
            if found_any:
                self._looks_left = 0
            elif self._looks_left > 0:
                self._due_s = min(self._due_s, now_s + self._pause_s)

    def _first_chance_s(self) -> float:
        return max(self._heard_s + self._read_after_s, self._not_before_s)
