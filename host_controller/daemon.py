"""What runs: the adb server, the watch over the rack, one lane a phone, the site, and the socket for the command line.

Threads: `watch` (which phones are there; what is overdue), one `lane` for each phone, and the workers of the two web
servers. They share the store, the rack's views and the bells; nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from device_drivers.errors import AdbServerUnreachableError
from host_controller.errors import ConfigError
from host_controller.messaging.lane import Lane
from host_controller.messaging.sweep import sweep_overdue
from host_controller.settings import Settings
from host_controller.store.data_dir import DataDirectory
from host_controller.wiring import Controller, build_controller

_log = logging.getLogger(__name__)
# A lane in the middle of a hand-over gets the time to hear the phone's answer, which saves an `unknown`.
_LANE_STOP_LIMIT_S = 25.0
_THREAD_STOP_LIMIT_S = 5.0


class Daemon:
    """One rack, from start to stop."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._lanes: list[Lane] = []
        self._stop = threading.Event()
        self._watch_thread = _thread("watch", self._watch)
        self._surface_threads = [_thread(f"web {n}", s.run) for n, s in enumerate(controller.surfaces)]

    def start(self) -> None:
        """Begin to watch and to send. Raises AdbServerUnreachableError."""
        if self._controller.adb_server:
            self._controller.adb_server.start()
        for thread in (self._watch_thread, *self._surface_threads):
            thread.start()

    def stop(self) -> None:
        """Finish what is in the phones' hands, begin nothing new, end."""
        self._stop.set()
        for surface in self._controller.surfaces:
            surface.close()
        if self._watch_thread.ident:
            self._watch_thread.join(_THREAD_STOP_LIMIT_S)
        for lane in self._lanes:
            lane.stop()
        for lane in self._lanes:
            lane.join(_LANE_STOP_LIMIT_S)
        if self._controller.adb_server:
            self._controller.adb_server.stop()
        self._controller.store.close()

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self._look_once()
            except Exception:
                _log.exception("the watch stumbled; it goes on")
            self._stop.wait(self._controller.timings.watch_s)

    def _look_once(self) -> None:
        for phone in self._controller.rack.watch():
            lane = Lane(phone, self._controller.lane_services)
            self._lanes.append(lane)
            lane.start()
        sweep_overdue(self._controller.store, self._controller.timings, self._controller.clock())


@contextmanager
def running_daemon(settings: Settings) -> Iterator[Controller]:
    """Run a rack for as long as the block lasts.

    Raises DataDirectoryError or ConfigError, with nothing left running, where it cannot start.
    """
    with DataDirectory(settings.data_dir).locked() as data:
        controller = build_controller(settings, data)
        daemon = Daemon(controller)
        try:
            daemon.start()
            yield controller
        except AdbServerUnreachableError as error:
            raise ConfigError(error.reason) from error
        finally:
            daemon.stop()


def _thread(name: str, target: Callable[[], Any]) -> threading.Thread:
    return threading.Thread(target=target, name=name, daemon=True)
