"""Watches over the adb server: notices its end, its silence and every change of its list of phones.

Two threads: one asks it for its version every second, one holds `track-devices`. A server that we started is started
anew when it ends, and killed and started anew when it does not answer twice in a row.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from device_drivers.adb.address import ServerAddress
from device_drivers.adb.link import AdbLink
from device_drivers.adb.listener import ask_version, find_listener
from device_drivers.adb.server import PROBE_LIMIT_S, AdbServer
from device_drivers.errors import AdbServerUnreachableError

_log = logging.getLogger(__name__)
_LOOK_PERIOD_S = 0.2
_PROBE_PERIOD_S = 1.0
# One slow answer of a busy host is no reason to break every open command.
_SILENT_PROBES = 2
_LONGEST_BACKOFF_S = 15.0
_STEADY_AFTER_S = 10.0
# A cable that flaps must not turn into a look at the list for each of its changes.
_BETWEEN_CHANGES_S = 0.1


class SupervisedServer(Protocol):
    """What the watch needs of a server."""

    def start(self) -> None:
        """Start it. Raises AdbServerUnreachableError."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    def has_ended(self) -> bool:
        """Tell whether its process is gone."""
        ...

    def answers(self) -> bool:
        """Tell whether it answers as ours."""
        ...


class ForeignServer(SupervisedServer):
    """A server that somebody else runs: it is watched, and never touched."""

    def __init__(self, address: ServerAddress) -> None:
        self.address = address

    def start(self) -> None:
        """See SupervisedServer: it is for its owner to start."""
        if self.answers():
            return
        who = find_listener(self.address)
        words = f"{who} does not answer as an adb server there" if who else "nothing listens there"
        raise AdbServerUnreachableError("", f"no adb server at {self.address}: {words}; start it")

    def kill(self) -> None:
        """See SupervisedServer: not ours to end."""

    def stop(self) -> None:
        """Leave it running."""

    def has_ended(self) -> bool:
        """See SupervisedServer."""
        return False

    def answers(self) -> bool:
        """See SupervisedServer."""
        return ask_version(self.address, PROBE_LIMIT_S) is not None


class AdbSupervision:
    """Keeps a server alive and tells of changes, from its start to its stop."""

    def __init__(
        self,
        server: AdbServer | ForeignServer,
        link: AdbLink,
        on_change: Callable[[], None],
        on_restart: Callable[[], None],
    ) -> None:
        """`on_change`: the list of phones may differ. `on_restart`: the server has forgotten its TCP phones."""
        self._server: SupervisedServer = server
        self._link = link
        self._on_change = on_change
        self._on_restart = on_restart
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, name="adb watch", daemon=True),
            threading.Thread(target=self._track, name="adb track", daemon=True),
        ]
        self.trouble: str | None = None
        """What is wrong with the server now, for a person; None where it answers."""
        self.restarts = 0

    def start(self) -> None:
        """Begin to watch a server that was started."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * PROBE_LIMIT_S)

    def _watch(self) -> None:
        silent, backoff_s = 0, 0.0
        restarted_s = probed_s = time.monotonic()
        while not self._stop.wait(_LOOK_PERIOD_S):
            if self._server.has_ended():
                self._note("the adb server has ended; it is started anew")
            elif time.monotonic() - probed_s < _PROBE_PERIOD_S:
                continue
            elif self._server.answers():
                probed_s = time.monotonic()
                silent = 0
                self._note(None)
                if time.monotonic() - restarted_s > _STEADY_AFTER_S:
                    backoff_s = 0.0
                continue
            else:
                silent, probed_s = silent + 1, time.monotonic()
                if silent < _SILENT_PROBES:
                    continue
                self._note("the adb server does not answer; it is started anew")
                self._server.kill()
            silent = 0
            if backoff_s and self._stop.wait(backoff_s):
                return
            backoff_s = min(_LONGEST_BACKOFF_S, 2 * backoff_s + 0.5)
            self._restart()
            restarted_s = time.monotonic()

    def _restart(self) -> None:
        try:
            self._server.start()
        except AdbServerUnreachableError as error:
            self._note(error.reason)
            return
        self.restarts += 1
        self._note(None)
        self._on_restart()
        self._on_change()

    def _track(self) -> None:
        def changed() -> None:
            self._on_change()
            self._stop.wait(_BETWEEN_CHANGES_S)

        while not self._stop.is_set():
            try:
                self._link.track(changed, self._stop)
            except AdbServerUnreachableError:
                if not self._stop.is_set():
                    self._on_change()
                self._stop.wait(_PROBE_PERIOD_S)

    def _note(self, trouble: str | None) -> None:
        if trouble != self.trouble:
            if trouble is not None:
                _log.error("%s", trouble)
            else:
                _log.info("the adb server answers")
        self.trouble = trouble
