"""How late what has a due time comes. Pure, but for the control: a bare timer thread beside the measurement."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.runs import percentile

Submit = tuple[float, int]
"""When, in ms, and how many parts."""
_MINUTE_MS = 60_000.0


@dataclass(frozen=True)
class Late:
    """Milliseconds; below zero is early."""

    least: float
    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, late_ms: Sequence[float]) -> Late:
        """Sum up."""
        least, most = min(late_ms, default=0.0), max(late_ms, default=0.0)
        return cls(least, percentile(late_ms, 50), percentile(late_ms, 99), most)


def lateness_ms(submits: Mapping[object, Iterable[Submit]], parts_per_minute: float) -> list[float]:
    """Give, for every submit of each SIM but its first, how much later it came than the one before makes it due."""
    found = []
    for of_one_sim in submits.values():
        ordered = sorted(of_one_sim)
        for (before_ms, parts), (at_ms, _) in pairwise(ordered):
            found.append(at_ms - before_ms - parts * _MINUTE_MS / parts_per_minute)
    return found


def most_in_a_minute(submits: Mapping[object, Iterable[Submit]]) -> int:
    """Give the most parts that one SIM had to send within any minute."""
    most = 0
    for of_one_sim in submits.values():
        ordered, first, inside = sorted(of_one_sim), 0, 0
        for at_ms, parts in ordered:
            inside += parts
            while ordered[first][0] <= at_ms - _MINUTE_MS:
                inside -= ordered[first][1]
                first += 1
            most = max(most, inside)
    return most


@contextmanager
def control_timer(per_second: float) -> Iterator[list[float]]:
    """Let a thread that does nothing else wait for so many due times a second; it adds to the list how late it woke."""
    late_ms: list[float] = []
    ended = threading.Event()

    def run() -> None:
        due_s = time.monotonic()
        while not ended.wait(max(0.0, due_s - time.monotonic())):
            late_ms.append(1000 * (time.monotonic() - due_s))
            due_s += 1 / per_second

    thread = threading.Thread(target=run, name="control timer", daemon=True)
    thread.start()
    try:
        yield late_ms
    finally:
        ended.set()
        thread.join()
