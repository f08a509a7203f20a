"""The adb server that belongs to a rack: found, started, adopted, stopped."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import adbutils

from device_drivers.errors import AdbServerUnreachableError

_log = logging.getLogger(__name__)
_START_LIMIT_S = 15.0
_STOP_LIMIT_S = 5.0
_PROBE_LIMIT_S = 2.0


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
    """An adb server on a private loopback port, with a key pair of its own under `home`."""

    def __init__(self, adb: Path, port: int, home: Path, *, usb: bool) -> None:
        self._adb = adb
        self._port = port
        self._home = home
        self._usb = usb
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, or adopt the one that an earlier run left on this port.

        Raises AdbServerUnreachableError if the port is taken by something else or the server does not come up.
        """
        if _answers_as_adb(self._port):
            _log.info("adb server on port %s was left by an earlier run; using it", self._port)
            return
        if _is_taken(self._port):
            raise AdbServerUnreachableError(
                "", f"port {self._port} is in use by another program; choose another adb.port"
            )
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._home / "adb.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own adb, fixed arguments
                [str(self._adb), "-P", str(self._port), "nodaemon", "server"],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_up()

    def stop(self) -> None:
        """Stop the server, also an adopted one: the port is ours alone."""
        if self._process is None:
            _kill_by_protocol(self._port)
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _environment(self) -> dict[str, str]:
        environment = {
            "PATH": os.defpath,
            "HOME": str(self._home),
            "ANDROID_USER_HOME": str(self._home),
            "TMPDIR": str(self._home),
            "ADB_MDNS": "0",  # no discovery: a phone with wireless debugging would appear twice
            "ADB_EMU": "0",
            "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553",  # older servers know no ADB_EMU and would scan 5555...5585
            "ADB_LIBUSB": "0",  # the kernel's usbfs: libusb took all phones down with one rebooting phone
        }
        if not self._usb:
            environment["ADB_USB"] = "0"
        return environment

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while not _answers_as_adb(self._port):
            gone = self._process is None or self._process.poll() is not None
            if gone or time.monotonic() > deadline:
                raise AdbServerUnreachableError(
                    "", f"the adb server did not come up; its words are in {self._home / 'adb.log'}"
                )
            time.sleep(0.05)


def _answers_as_adb(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), _PROBE_LIMIT_S) as sock:
            sock.sendall(b"000chost:version")
            return sock.recv(4) == b"OKAY"
    except OSError:
        return False


def _is_taken(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _kill_by_protocol(port: int) -> None:
    try:
        with socket.create_connection(("127.0.0.1", port), _PROBE_LIMIT_S) as sock:
            sock.sendall(b"0009host:kill")
            sock.recv(4)
    except OSError:
        _log.info("the adb server on port %s had stopped already", port)
