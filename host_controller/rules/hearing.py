"""When an inbox is read of which somebody has heard that a message comes in. Pure, but for a lock."""

from __future__ import annotations

import math
import threading


class Hearing:
    """Of one phone. Thread-safe: one thread hears, another one reads; both tell the same clock."""

    def __init__(self, read_after_s: float, pause_s: float) -> None:
        """A row is there `read_after_s` after its message was heard of; two readings are `pause_s` apart."""
        self._read_after_s = read_after_s
        self._pause_s = pause_s
        self._heard_s = self._not_before_s = -math.inf
        self._due_s = math.inf
        self._lock = threading.Lock()

    @property
    def due_s(self) -> float:
        """When it is to be read; infinite where nothing was heard since."""
        return self._due_s

    def note(self, now_s: float) -> bool:
        """A message was heard of; tell whether a reading is due that was not before."""
        with self._lock:
            self._heard_s = now_s
            if self._due_s < math.inf:
                return False
            self._due_s = self._first_chance_s()
            return True

    def begin_reading(self, now_s: float) -> None:
        """The inbox is read, for whatever reason. What was heard just now may not be in it yet, and stays due."""
        with self._lock:
            if now_s >= self._due_s:
                self._not_before_s = now_s + self._pause_s
            is_there = now_s >= self._heard_s + self._read_after_s
            self._due_s = math.inf if is_there else self._first_chance_s()

    def _first_chance_s(self) -> float:
        return max(self._heard_s + self._read_after_s, self._not_before_s)
