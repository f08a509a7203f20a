"""All lanes of this host, one a phone."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from host_controller.fleet.phone import RackPhone
from host_controller.messaging.lane import Lane
from host_controller.messaging.session import LaneServices

# A lane in the middle of a hand-over gets the time to hear the phone's answer, which saves an `unknown`.
_STOP_LIMIT_S = 25.0


class Lanes:
    """Starts lanes and tells all of them what the clock says. Thread-safe."""

    def __init__(self, services: LaneServices) -> None:
        self._services = services
        self._lanes: list[Lane] = []
        self._is_stopped = False
        self._lock = threading.Lock()

    def open(self, phones: Iterable[RackPhone]) -> None:
        """Start a lane for each of these phones."""
        with self._lock:
            for phone in phones:
                if not self._is_stopped:
                    lane = Lane(phone, self._services)
                    self._lanes.append(lane)
                    lane.start()

    def ask_to_read(self) -> None:
        """A reading round is due on every phone."""
        for lane in self._all():
            lane.ask_to_read()

    def ask_for_health(self) -> None:
        """A look at every phone's health is due."""
        for lane in self._all():
            lane.ask_for_health()

    def stop(self) -> None:
        """Finish what is in the phones' hands, begin nothing new."""
        with self._lock:
            self._is_stopped = True
        for lane in self._all():
            lane.stop()
        for lane in self._all():
            lane.join(_STOP_LIMIT_S)

    def _all(self) -> list[Lane]:
        with self._lock:
            return list(self._lanes)
