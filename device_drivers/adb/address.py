"""Where an adb server listens, and how each of the two client libraries gets a socket to it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import adbutils
from adbutils.errors import AdbError
from ppadb.connection import Connection as PpadbConnection

LOOPBACK = "127.0.0.1"
_CONNECT_LIMIT_S = 3.0
_TIMEVAL = struct.Struct("@ll")  # seconds, microseconds


@dataclass(frozen=True)
class ServerAddress:
    """A TCP port on loopback, or a UNIX socket, which only this user can reach."""

    port: int | None = None
    socket_path: Path | None = None

    def __post_init__(self) -> None:
        """Refuse an address that is none or two."""
        if (self.port is None) == (self.socket_path is None):
            raise ValueError("an adb server has either a port or a socket")

    def __str__(self) -> str:
        """As adb's own options and variables write it."""
        return f"localfilesystem:{self.socket_path}" if self.socket_path else f"tcp:{LOOPBACK}:{self.port}"

    def connect_unix(self, limit_s: float = _CONNECT_LIMIT_S) -> socket.socket:
        """Connect to the UNIX socket. Raises OSError.

        adb's queue of waiting connections is short. A blocking connect waits for a place in it; one with Python's own
        timeout is non-blocking underneath and would fail at once, so the kernel keeps the time.
        """
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(*divmod(int(limit_s * 1e6), 1_000_000))
            )
            sock.connect(str(self.socket_path))
        except OSError:
            sock.close()
            raise
        return sock


class ClientLibrary(StrEnum):
    """Which ADB client library finds the server."""

    ADBUTILS = "adbutils"
    PURE_PYTHON_ADB = "pure-python-adb"


def opener(library: ClientLibrary, address: ServerAddress) -> Callable[[], socket.socket]:
    """Give a function that opens a connection to the server with this library; it raises OSError.

    Both libraries know TCP only, and adbutils would start a server of its own accord where none answers: that step is
    replaced.
    """
    return (_open_with_adbutils if library is ClientLibrary.ADBUTILS else _open_with_ppadb)(address)


def _open_with_adbutils(address: ServerAddress) -> Callable[[], socket.socket]:
    class Connection(adbutils.AdbConnection):  # type: ignore[misc]
        def _safe_connect(self) -> socket.socket:
            connected: socket.socket = address.connect_unix() if address.socket_path else self._create_socket()
            return connected

    def connect() -> socket.socket:
        try:
            connected: socket.socket = Connection(LOOPBACK, address.port).conn
        except AdbError as error:
            raise ConnectionError(str(error)) from error
        return connected

    return connect


def _open_with_ppadb(address: ServerAddress) -> Callable[[], socket.socket]:
    class Connection(PpadbConnection):  # type: ignore[misc]
        def connect(self) -> socket.socket:
            connected: socket.socket = address.connect_unix() if address.socket_path else super().connect()
            return connected

    def connect() -> socket.socket:
        try:
            return Connection(LOOPBACK, address.port, timeout=_CONNECT_LIMIT_S).connect()
        except RuntimeError as error:
            raise ConnectionError("the adb server cannot be reached") from error

    return connect
