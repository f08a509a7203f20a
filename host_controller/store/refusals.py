"""Numbers whose opt-out has been written since a claim began, or is being written: the last look before the phone.

A claim asks the database for opt-outs, and one that is stored a moment later would come too late for it. What is
marked here is seen under a lock that is held until the phone has been asked, so that nothing is handed over after an
opt-out is stored.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager

# What stands between a claim and the phone is seconds old; more opt-outs than this do not come in that time.
_MOST_MARKS = 100_000


class RefusedMeanwhileError(Exception):
    """The recipient has opted out since the claim, or is just doing so: nothing was handed over."""


class Refusals:
    """Thread-safe, and in memory only: after a restart every message is claimed anew."""

    def __init__(self, most_marks: int = _MOST_MARKS) -> None:
        self._most_marks = most_marks
        self._lock = threading.Lock()
        self._stamp = 0
        self._marks: dict[str, int] = {}
        self._being_written: Counter[str] = Counter()
        self._forgotten = 0

    def stamp(self) -> int:
        """Give the moment at which a claim begins."""
        with self._lock:
            return self._stamp

    @contextmanager
    def writing(self, numbers: Collection[str]) -> Iterator[None]:
        """Keep messages to these numbers back while their opt-outs are written, and those claimed before for good."""
        with self._lock:
            self._being_written.update(numbers)
        try:
            yield
        finally:
            with self._lock:
                self._being_written.subtract(numbers)
                self._being_written = +self._being_written
                self._mark(numbers)

    @contextmanager
    def last_look(self, number: str, stamp: int) -> Iterator[None]:
        """Ask the phone within this, and shortly. Raises RefusedMeanwhileError at its beginning."""
        with self._lock:
            if self._being_written[number] or self._marks.get(number, 0) > stamp or self._forgotten > stamp:
                raise RefusedMeanwhileError
            yield

    def _mark(self, numbers: Collection[str]) -> None:
        self._stamp += 1
        for number in numbers:
            self._marks.pop(number, None)
            self._marks[number] = self._stamp
        while len(self._marks) > self._most_marks:
            oldest = next(iter(self._marks))
            # Who claimed before it must claim again: whether it was for him is not known any more.
            self._forgotten = self._marks.pop(oldest)
