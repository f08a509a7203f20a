"""The ear of a lane: a thread that hears when a message comes in to its phone, so that the lane reads it at once.

Nothing relies on it: what it misses, the next reading round finds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from device_drivers.base import PhoneDriver
from device_drivers.errors import DriverError
from device_drivers.stop import Stop
from host_controller.rules.timings import Timings

_log = logging.getLogger(__name__)


class Ear:
    """Listens to one phone until it is stopped, again and again where that ends by itself."""

    def __init__(
        self, driver: PhoneDriver, on_message: Callable[[], None], timings: Timings, elapsed_s: Callable[[], float]
    ) -> None:
        """`on_message` is called in the ear's thread, and must not take long."""
        self._driver = driver
        self._on_message = on_message
        self._timings = timings
        self._elapsed_s = elapsed_s
        self._stop = Stop()
        self._thread = threading.Thread(target=self._run, name=f"ear {driver.serial}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end, whatever it is waiting for."""
        self._stop.set()

    def join(self, limit_s: float) -> None:
        """Wait for its end."""
        self._thread.join(limit_s)

    def _run(self) -> None:
        pause_s = self._timings.listen_retry_s
        while not self._stop.is_set:
            began_s = self._elapsed_s()
            self._listen()
            if self._elapsed_s() - began_s > pause_s:
                pause_s = self._timings.listen_retry_s
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, self._timings.listen_longest_s)

    def _listen(self) -> None:
        try:
            with suppress(DriverError):  # nobody needs to know: its inbox is read all the same
                self._driver.listen(self._on_message, self._stop)
        except Exception:
            _log.exception("ear %s stumbled; it goes on", self._driver.serial)
