"""Talks to the API: over the daemon's socket, or in this process where no daemon runs."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from host_controller.errors import ControllerError, DataDirectoryError, DataDirectoryTakenError
from host_controller.settings import Settings
from host_controller.store.data_dir import DataDirectory

# A bulk request waits for the writer, which is never held for long.
_CALL_LIMIT_S = 60.0
# A daemon has its directory before its socket, and after it; a command without a daemon has it while it works.
_TAKEN_LIMIT_S = 10.0
_LOOK_EVERY_S = 0.05

# Gives (status, body) for (method, path, body).
Transport = Callable[[str, str, bytes | None], tuple[int, bytes]]


class ApiCallError(ControllerError):
    """The API refused a request."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ApiClient:
    """The API as function calls."""

    def __init__(self, transport: Transport, *, daemon_runs: bool) -> None:
        self._transport = transport
        self.daemon_runs = daemon_runs

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, **query: str | int | None
    ) -> dict[str, Any]:
        """Make one call under `/api/v1`; give its JSON. Raises ApiCallError."""
        asked = urlencode({key: value for key, value in query.items() if value is not None})
        target = f"/api/v1{path}" + (f"?{asked}" if asked else "")
        status, raw = self._transport(method, target, None if body is None else json.dumps(body).encode())
        answer: dict[str, Any] = json.loads(raw)
        if "error" in answer and status >= 400:
            raise ApiCallError(status, answer["error"]["code"], answer["error"]["message"])
        return answer


@contextmanager
def open_api(settings: Settings) -> Iterator[ApiClient]:
    """Give a client for the data directory: the daemon's, or its own under the lock.

    A daemon that is just starting or ending is waited for. Raises DataDirectoryError.
    """
    data = DataDirectory(settings.data_dir)
    with ExitStack() as stack:
        if _find_daemon(data, stack):
            yield ApiClient(_socket_transport(data.socket), daemon_runs=True)
            return
        # Not above: with a daemon none of it is needed, and loading it takes most of a command's time.
        from host_controller.offline import local_transport

        transport = stack.enter_context(local_transport(settings, settings.database or data.database))
        yield ApiClient(transport, daemon_runs=False)


def _find_daemon(data: DataDirectory, stack: ExitStack) -> bool:
    """Tell whether a daemon answers; where none runs, `stack` holds the lock. Raises DataDirectoryError."""
    until_s = time.monotonic() + _TAKEN_LIMIT_S
    while not _answers(data.socket):
        try:
            stack.enter_context(data.locked())
        except DataDirectoryTakenError as error:
            if time.monotonic() >= until_s:
                raise DataDirectoryTakenError(
                    f"another smsrack has had {data.path} for {_TAKEN_LIMIT_S:g} s and does not answer: "
                    "it is starting or ending, or it hangs; look at its log, then try again"
                ) from error
            time.sleep(_LOOK_EVERY_S)
        else:
            return False
    return True


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CALL_LIMIT_S)
        try:
            probe.connect(str(path))
        except PermissionError as error:
            raise DataDirectoryError(f"{path} belongs to another user; run this as the user of the daemon") from error
        except OSError:
            return False
    return True


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("127.0.0.1", timeout=_CALL_LIMIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _socket_transport(path: Path) -> Transport:
    def send(method: str, target: str, body: bytes | None) -> tuple[int, bytes]:
        connection = _UnixConnection(path)
        try:
            connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ControllerError(f"the daemon did not answer ({error}); look at its log, then try again") from error
        finally:
            connection.close()

    return send
