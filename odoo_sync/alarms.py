"""What was logged of one connection's troubles: one trouble is one line, however many jobs run into it. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Hashable


class Alarms:
    """The troubles of one connection, as all of its jobs have seen them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outages = 0
        self._is_away = False
        self._without_answer: set[Hashable] = set()
        self._without_login: set[str] = set()

    @property
    def outages(self) -> int:
        """How many outages have ended."""
        return self._outages

    def note_away(self, job: Hashable, outages: int) -> bool:
        """Note that a job had no answer; tell whether to say so.

        `outages` are those that had ended when its round began: what was asked in one that is over is of that one.
        """
        with self._lock:
            self._without_answer.add(job)
            is_first = not self._is_away and outages == self._outages
            self._is_away |= is_first
            return is_first

    def note_answer(self, job: Hashable) -> bool:
        """Note that a job's round went through; tell whether to say so: of those that had no answer it is the first."""
        with self._lock:
            if job not in self._without_answer:
                return False
            self._without_answer.discard(job)
            is_first = self._is_away
            self._is_away = False
            self._outages += is_first
            return is_first

    def note_login(self, step: str, *, holds: bool) -> bool:
        """Note whether a step's login holds; tell whether to say so: of those that wait for one it is the first."""
        with self._lock:
            is_first = not holds and not self._without_login
            (self._without_login.discard if holds else self._without_login.add)(step)
            return is_first
