"""The data directory: private to its owner, and to one process at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from host_controller.errors import DataDirectoryError, DataDirectoryTakenError

# sockaddr_un.sun_path of Linux holds 108 bytes with the closing NUL.
_MAX_SOCKET_PATH_BYTES = 107


class DataDirectory:
    """Paths of everything that smsrack keeps, under a lock that ends with the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "smsrack.db"
        self.socket = path / "api.sock"
        self.adb_home = path / "adb"
        self.adb_socket = self.adb_home / "adb.sock"
        self.frameworks = path / "frameworks"
        self._lock = FileLock(path / "lock")

    @contextmanager
    def locked(self) -> Iterator[DataDirectory]:
        """Hold the directory for as long as the block lasts. Raises DataDirectoryError; it does not wait."""
        self._take()
        # Everything that is made from here on is for this user only.
        umask = os.umask(0o077)
        try:
            yield self
        finally:
            os.umask(umask)
            self._lock.release()

    @staticmethod
    def checked_socket(path: Path) -> Path:
        """Give this path back. Raises DataDirectoryError if the system cannot take it for a socket."""
        if len(os.fsencode(path)) > _MAX_SOCKET_PATH_BYTES:
            raise DataDirectoryError(f"the path {path} is too long for a socket; choose a shorter --data-dir")
        return path

    def web_secret(self) -> str:
        """Give the key that signs the site's form tokens; made once."""
        path = self.path / "web_secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32))
        return path.read_text()

    def _take(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.stat().st_mode & 0o077:
                raise DataDirectoryError(f"others may enter {self.path}; run: chmod 700 {self.path}")
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise DataDirectoryTakenError(
                f"another smsrack uses {self.path}; stop it or choose another --data-dir"
            ) from error
        except OSError as error:
            raise DataDirectoryError(f"cannot use {self.path} as data directory: {error.strerror}") from error
