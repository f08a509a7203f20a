"""What runs: the adb server, the watch over the rack, one lane a phone, the site, and the socket for the command line.

Threads: the clock's workers (periodic jobs), one `lane` and one `ear` for each phone, and the workers of the web
servers. They share the store, the rack's views and the bells; nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from device_drivers.errors import AdbServerUnreachableError
from host_controller.errors import ConfigError
from host_controller.settings import Settings
from host_controller.store.data_dir import DataDirectory
from host_controller.wiring import Controller, Surface, build_controller


class Daemon:
    """One rack, from start to stop."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._surface_threads = [
            threading.Thread(target=self._serve, args=(surface,), name=f"web {number}", daemon=True)
            for number, surface in enumerate(controller.surfaces)
        ]
        self._is_stopping = False

    def start(self) -> None:
        """Begin to watch and to send. Raises AdbServerUnreachableError."""
        self._controller.adb_server.start()
        self._controller.adb_supervision.start()
        for thread in self._surface_threads:
            thread.start()
        self._controller.clock.start()

    def stop(self) -> None:
        """Finish what is in the phones' hands, begin nothing new, end."""
        self._is_stopping = True
        for surface in self._controller.surfaces:
            surface.close()
        self._controller.clock.stop()
        self._controller.lanes.stop()
        self._controller.adb_supervision.stop()
        self._controller.adb_server.stop()
        self._controller.store.close()

    def _serve(self, surface: Surface) -> None:
        try:
            surface.run()
        except (OSError, RuntimeError):
            if not self._is_stopping:  # else its sockets were closed under its loop, which is how it ends
                raise


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
