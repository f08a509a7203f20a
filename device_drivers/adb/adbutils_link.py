"""`AdbLink` on adbutils: it finds the server and the transport; the shell stream is read here.

adbutils' own `close()` sleeps 10 ms, its shell call has no size limit, and a failed connect makes it start an adb
server of its own accord; none of that is wanted for a rack.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import closing

import adbutils
from adbutils.errors import AdbError

from device_drivers.adb.command import DeviceCommand
from device_drivers.adb.link import MAX_ANSWER_BYTES, AdbLink, CommandResult, ListedPhone
from device_drivers.errors import (
    AdbServerUnreachableError,
    CommandTimeoutError,
    ConnectionLostError,
    LinkError,
    PhoneAnswerError,
    PhoneOfflineError,
    PhoneUnauthorizedError,
)

# Questions to the server itself; it answers from memory. `connect` waits for the phone's TCP port.
_SERVER_LIMIT_S = 5.0
_ATTACH_LIMIT_S = 15.0
# Shell protocol v2: one byte kind, four bytes length (little endian), payload.
_STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = 1, 2, 3, 4
_HEADER = struct.Struct("<BI")


class _Connection(adbutils.AdbConnection):  # type: ignore[misc]
    """A connection that never starts an adb server by itself."""

    def _safe_connect(self) -> socket.socket:
        created: socket.socket = self._create_socket()
        return created


class AdbutilsLink(AdbLink):
    """The default ADB client."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    def list_phones(self) -> tuple[ListedPhone, ...]:
        """See AdbLink."""
        listing = self._ask_server("host:devices", _SERVER_LIMIT_S)
        pairs = (line.split("\t", 1) for line in listing.splitlines() if "\t" in line)
        return tuple(ListedPhone(serial, state) for serial, state in pairs)

    def attach(self, address: str) -> None:
        """See AdbLink."""
        answer = self._ask_server(f"host:connect:{address}", _ATTACH_LIMIT_S)
        if "connected to" not in answer and "authenticate" not in answer:
            raise PhoneOfflineError(address, answer.strip() or "the adb server could not connect to it")

    def run(self, serial: str, command: DeviceCommand, limit_s: float) -> CommandResult:
        """See AdbLink."""
        deadline = time.monotonic() + limit_s
        sock = self._open_server(serial)
        with closing(sock):
            try:
                _request(sock, f"host:transport:{serial}", deadline)
            except _RefusedError as error:
                raise _refusal(serial, error.text) from error
            except OSError as error:
                raise AdbServerUnreachableError(serial, "the adb server does not answer; is it running?") from error
            try:
                _request(sock, f"shell,v2,raw:{command.shell_line()}", deadline)
                sock.sendall(_HEADER.pack(_CLOSE_STDIN, 0))
                return _read_shell(sock, serial, deadline)
            except _RefusedError as error:
                raise _refusal_at_open(serial, error.text) from error
            except TimeoutError as error:
                raise CommandTimeoutError(serial, limit_s) from error
            except OSError as error:
                raise ConnectionLostError(serial, "the connection ended in mid-command") from error

    def _open_server(self, serial: str) -> socket.socket:
        try:
            sock: socket.socket = _Connection(self._host, self._port).conn
        except (AdbError, OSError) as error:
            where = f"{self._host}:{self._port}"
            raise AdbServerUnreachableError(serial, f"no adb server answers on {where}; start it") from error
        return sock

    def _ask_server(self, service: str, limit_s: float) -> str:
        deadline = time.monotonic() + limit_s
        with closing(self._open_server("")) as sock:
            try:
                _request(sock, service, deadline)
                return _read_block(sock, deadline)
            except _RefusedError as error:
                return error.text
            except (OSError, ValueError) as error:
                raise AdbServerUnreachableError("", "the adb server does not answer as one; restart it") from error


class _RefusedError(Exception):
    """The server answered FAIL."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def _request(sock: socket.socket, service: str, deadline: float) -> None:
    payload = service.encode()
    _arm(sock, deadline)
    sock.sendall(b"%04x" % len(payload) + payload)
    status = _read_exactly(sock, 4, deadline)
    if status == b"FAIL":
        raise _RefusedError(_read_block(sock, deadline))
    if status != b"OKAY":
        raise ConnectionError("the server answered neither OKAY nor FAIL")


def _read_block(sock: socket.socket, deadline: float) -> str:
    size = int(_read_exactly(sock, 4, deadline), 16)
    return _read_exactly(sock, size, deadline).decode(errors="replace")


def _read_shell(sock: socket.socket, serial: str, deadline: float) -> CommandResult:
    streams: dict[int, list[bytes]] = {_STDOUT: [], _STDERR: []}
    total_bytes = 0
    while True:
        kind, size = _HEADER.unpack(_read_exactly(sock, _HEADER.size, deadline))
        total_bytes += size
        if total_bytes > MAX_ANSWER_BYTES:
            raise PhoneAnswerError(serial, f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        payload = _read_exactly(sock, size, deadline)
        if kind in streams:
            streams[kind].append(payload)
        elif kind == _EXIT:
            stdout, stderr = (b"".join(streams[k]).decode(errors="replace") for k in (_STDOUT, _STDERR))
            return CommandResult(stdout, stderr, payload[0] if payload else 255)


def _read_exactly(sock: socket.socket, size: int, deadline: float) -> bytes:
    chunks: list[bytes] = []
    while size > 0:
        _arm(sock, deadline)
        chunk = sock.recv(min(size, 1 << 20))
        if not chunk:
            raise ConnectionError("the stream ended early")
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _arm(sock: socket.socket, deadline: float) -> None:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    sock.settimeout(left_s)


def _refusal(serial: str, text: str) -> LinkError:
    """FAIL before a shell was asked for: the phone got nothing."""
    if "unauthorized" in text:
        return PhoneUnauthorizedError(serial, "unauthorized: unlock the phone and accept this computer's key")
    return PhoneOfflineError(serial, text)


def _refusal_at_open(serial: str, text: str) -> LinkError:
    """FAIL to the shell request. Only the server's own words prove that the phone got nothing.

    `closed` does not: the server says it also when the link breaks after the phone has begun and before its OKAY came.
    """
    if text.startswith("device "):
        return _refusal(serial, text)
    return ConnectionLostError(serial, f"the phone closed the shell: {text}")
