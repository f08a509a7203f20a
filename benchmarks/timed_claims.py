"""The daemon with a stopwatch: `python -m benchmarks.timed_claims run --config FILE`, for measuring only.

It notes how long each claim took, from the lane's wish until the intent was durable, by the failpoints on both sides of
it, and at its end writes the seconds to the file that `SMSRACK_BENCH_CLAIMS` names. The daemon itself holds no clock.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from pathlib import Path

from device_drivers import failpoints
from host_controller.cli import main

FILE = "SMSRACK_BENCH_CLAIMS"
_BEFORE, _AFTER = "intent.before", "intent.after"


class Stopwatch:
    """Hears of every failpoint that is passed. Each lane's thread does one claim at a time."""

    def __init__(self) -> None:
        self.claims_s = array("d")
        self._begun = threading.local()

    def __call__(self, passed: str) -> None:
        """Take the time at the two that matter; a claim that found nothing to take ends nowhere."""
        if passed == _BEFORE:
            self._begun.at_s = time.perf_counter()
        elif passed == _AFTER:
            self.claims_s.append(time.perf_counter() - self._begun.at_s)


def read_claims(path: Path) -> list[float]:
    """Give what a daemon has written, in seconds."""
    claims_s = array("d")
    claims_s.frombytes(path.read_bytes())
    return claims_s.tolist()


def _main() -> None:
    stopwatch = Stopwatch()
    failpoints.watch(stopwatch)
    try:
        main()
    finally:
        Path(os.environ[FILE]).write_bytes(stopwatch.claims_s.tobytes())


if __name__ == "__main__":
    _main()
