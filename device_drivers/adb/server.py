"""The adb server that belongs to a rack: found, started, adopted, started anew, stopped."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import adbutils

from device_drivers.adb.address import ServerAddress
from device_drivers.adb.listener import Listener, ask_version, find_listener
from device_drivers.errors import AdbServerUnreachableError

_log = logging.getLogger(__name__)
_START_LIMIT_S = 15.0
_STOP_LIMIT_S = 5.0
_VERSION_LIMIT_S = 10.0
PROBE_LIMIT_S = 2.0
_VERSION = re.compile(r"Android Debug Bridge version \d+\.\d+\.(\d+)")


class AdbNotFoundError(Exception):
    """No adb binary; the text says which package brings one."""


def find_adb(chosen: str | None) -> Path:
    """Give the adb binary: the chosen one, else the one in adbutils' wheel, else the one on the PATH.

    Raises AdbNotFoundError.
    """
    if chosen:
        found = shutil.which(chosen)
        if found is None:
            raise AdbNotFoundError(f"adb is not at {chosen!r}; correct SMSRACK_ADB or the setting adb.binary")
        return Path(found)
    bundled = Path(adbutils.__file__).parent / "binaries" / "adb"
    if os.access(bundled, os.X_OK):
        return bundled
    found = shutil.which("adb")
    if found is None:
        raise AdbNotFoundError("no adb binary found; install the package 'adb', or name one in SMSRACK_ADB")
    return Path(found)


class AdbServer:
    """An adb server at an address of its own, with a key pair of its own under `home`. For one thread at a time."""

    def __init__(self, adb: Path, address: ServerAddress, home: Path, *, usb: bool, libusb: bool = False) -> None:
        self.address = address
        self._adb = adb
        self._home = home
        self._usb = usb
        self._libusb = libusb
        self._process: subprocess.Popen[bytes] | None = None
        self._own_version: int | None = None

    def start(self) -> None:
        """Start the server, or adopt the one that an earlier run of ours left there.

        Raises AdbServerUnreachableError if the address is taken by something else, named in its text, or if the
        server does not come up.
        """
        self._own_version = self._own_version or self._ask_own_version()
        listener = find_listener(self.address)
        if listener is not None and self._adopts(listener):
            return
        if self.address.socket_path:
            self.address.socket_path.unlink(missing_ok=True)  # left by a server that was killed
        self._launch()
        self._wait_until_up()

    def stop(self) -> None:
        """Stop the server, also an adopted one: it is ours alone."""
        if self._process is not None:
            _end(self._process)
            self._process = None
            return
        self._signal_adopted(signal.SIGTERM)

    def kill(self) -> None:
        """End a server that does not answer, at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            return
        self._signal_adopted(signal.SIGKILL)

    def has_ended(self) -> bool:
        """Tell whether the process that we started is gone."""
        return self._process is not None and self._process.poll() is not None

    def answers(self) -> bool:
        """Tell whether our server answers; one of another version is somebody else's."""
        return ask_version(self.address, PROBE_LIMIT_S) == self._own_version

    def _signal_adopted(self, number: int) -> None:
        listener = find_listener(self.address)
        if listener is not None and listener.is_ours and listener.pid:
            _signal(listener.pid, number)

    def _adopts(self, listener: Listener) -> bool:
        """Tell whether what listens there is used as it is; False where it was an old one of ours and is gone now.

        Raises AdbServerUnreachableError where it is somebody else's.
        """
        version = ask_version(self.address, PROBE_LIMIT_S)
        if listener.is_ours and version is not None and version == self._own_version:
            _log.info("the adb server at %s was left by an earlier run; using it", self.address)
            return True
        path = self.address.socket_path
        if listener.is_ours and listener.pid and path and path.parent == self._home:
            # Whatever listens in our own directory is an old server of ours; elsewhere it may be anything.
            _log.warning("the adb server at %s is of another version; it is started anew", self.address)
            _signal(listener.pid, signal.SIGKILL)
            return False
        kind = "a program that is no adb server" if version is None else f"an adb server of version 1.0.{version}"
        raise AdbServerUnreachableError(
            "", f"{self.address} is taken by {kind}: {listener}; stop it or choose another adb.port"
        )

    def _launch(self) -> None:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._home / "adb.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own adb, fixed arguments
                [str(self._adb), *self._where(), "nodaemon", "server"],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _where(self) -> list[str]:
        # `-L tcp:127.0.0.1:PORT` does not start with adb 36; `-P` listens on loopback.
        return ["-L", str(self.address)] if self.address.socket_path else ["-P", str(self.address.port)]

    def _environment(self) -> dict[str, str]:
        environment = {
            "PATH": os.defpath,
            "HOME": str(self._home),
            "ANDROID_USER_HOME": str(self._home),
            "TMPDIR": str(self._home),
            "ADB_MDNS": "0",  # no discovery: a phone with wireless debugging would appear twice
            "ADB_EMU": "0",
            "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553",  # older servers know no ADB_EMU and would scan 5555...5585
            # The kernel's usbfs by default: libusb took all phones down with one rebooting phone.
            "ADB_LIBUSB": "1" if self._libusb else "0",
            "ADB_REJECT_KILL_SERVER": "1",  # an adb of another version would end ours
        }
        if not self._usb:
            environment["ADB_USB"] = "0"
        return environment

    def _ask_own_version(self) -> int:
        try:
            run = subprocess.run(  # noqa: S603 - our own adb
                [str(self._adb), "version"],
                env={"PATH": os.defpath, "HOME": str(self._home)},
                capture_output=True,
                timeout=_VERSION_LIMIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AdbServerUnreachableError("", f"{self._adb} cannot be run: {error}") from error
        found = _VERSION.search(run.stdout.decode(errors="replace"))
        if found is None:
            raise AdbServerUnreachableError("", f"{self._adb} is no adb: it does not tell its version")
        return int(found[1])

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while not self.answers():
            if self.has_ended() or time.monotonic() > deadline:
                raise AdbServerUnreachableError(
                    "", f"the adb server did not come up; its words are in {self._home / 'adb.log'}"
                )
            time.sleep(0.02)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        _log.info("the adb server (pid %s) had ended already", pid)
