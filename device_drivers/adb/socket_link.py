"""`AdbLink` on a plain socket to the adb server.

The client library opens the socket (see `address.py`); what goes through it is written and read here, since neither
library has time limits, size limits and exit codes all at once: adbutils' `close()` sleeps 10 ms and its shell call
has no size limit, pure-python-adb knows no shell v2 and takes whatever one `recv` gives for a whole answer.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import BinaryIO, NoReturn, TypeVar

from device_drivers.adb import command as commands
from device_drivers.adb.address import ClientLibrary, ServerAddress, opener
from device_drivers.adb.command import DeviceCommand
from device_drivers.adb.following import Lines, Packets
from device_drivers.adb.link import MAX_ANSWER_BYTES, AdbLink, CommandResult, ListedPhone, ShellKind
from device_drivers.adb.shell_v2 import CLOSE_STDIN, EXIT, HEADER, STDERR, STDOUT
from device_drivers.errors import (
    AdbServerUnreachableError,
    CommandTimeoutError,
    ConnectionLostError,
    LinkError,
    PhoneAnswerError,
    PhoneOfflineError,
    PhoneUnauthorizedError,
)
from device_drivers.failpoints import failpoint
from device_drivers.last_look import LastLook
from device_drivers.stop import Stop

T = TypeVar("T")
# Questions to the server itself; it answers from memory. `connect` waits for the phone's TCP port.
_SERVER_LIMIT_S = 5.0
_ATTACH_LIMIT_S = 15.0
# Until a command that is followed has begun; what it says, and when, is its own affair.
_FOLLOW_LIMIT_S = 15.0
# How soon a tracker notices that it should stop.
_TRACK_STEP_S = 0.5
_READ_BYTES = 1 << 18
# Lines come one at a time: room for more would have to be found anew for each.
_FOLLOW_BYTES = 1 << 13
# `host:devices-l`: serial padded with blanks, the state in words, then `key:value` pairs. The old USB backend writes
# `usb:1-2.3`, libusb's writes `1-2.3` alone.
_LISTED = re.compile(r"(\S+)\s+(.*?)(?: (?:usb:)?(\d+-[\d.]+))?((?: \w+:\S+)*)")


class SocketLink(AdbLink):
    """The one ADB client, over either library."""

    def __init__(self, address: ServerAddress, library: ClientLibrary = ClientLibrary.ADBUTILS) -> None:
        self._address = address
        self._open = opener(library, address)

    def list_phones(self) -> tuple[ListedPhone, ...]:
        """See AdbLink."""
        listing = self._ask_server("host:devices-l", _SERVER_LIMIT_S)
        found = (_LISTED.fullmatch(line.rstrip()) for line in listing.splitlines())
        return tuple(ListedPhone(match[1], match[2], match[3]) for match in found if match)

    def track(self, on_change: Callable[[], None], stop: threading.Event) -> None:
        """See AdbLink."""
        with closing(self._open_server("")) as sock:
            try:
                _request(sock, "host:track-devices", time.monotonic() + _SERVER_LIMIT_S)
                while not stop.is_set():
                    if _readable(sock, _TRACK_STEP_S):
                        _read_block(sock, time.monotonic() + _SERVER_LIMIT_S)
                        on_change()
            except (OSError, ValueError, _RefusedError) as error:
                raise AdbServerUnreachableError("", "the adb server ended or stopped to answer") from error

    def attach(self, address: str) -> None:
        """See AdbLink."""
        answer = self._ask_server(f"host:connect:{address}", _ATTACH_LIMIT_S)
        if "connected to" not in answer and "authenticate" not in answer:
            raise PhoneOfflineError(address, answer.strip() or "the adb server could not connect to it")

    def shell_kind(self, serial: str) -> ShellKind:
        """See AdbLink."""
        deadline = time.monotonic() + _SERVER_LIMIT_S
        with closing(self._open_server(serial)) as sock:
            try:
                _request(sock, f"host-serial:{serial}:features", deadline)
                features = _read_block(sock, deadline).split(",")
            except _RefusedError as error:
                raise _refusal(serial, error.text) from error
            except (OSError, ValueError) as error:
                raise AdbServerUnreachableError(serial, _SILENT) from error
        return ShellKind.V2 if "shell_v2" in features else ShellKind.EXEC

    def run(
        self,
        serial: str,
        command: DeviceCommand,
        limit_s: float,
        shell: ShellKind = ShellKind.V2,
        last_look: LastLook = nullcontext,
    ) -> CommandResult:
        """See AdbLink."""
        deadline = time.monotonic() + limit_s

        def converse(sock: socket.socket) -> CommandResult:
            run = _run_v2 if shell is ShellKind.V2 else _run_exec
            return run(sock, serial, command, deadline, last_look)

        return self._in_shell(serial, command.name, limit_s, deadline, converse)

    def save(self, serial: str, command: DeviceCommand, target: BinaryIO, max_bytes: int, limit_s: float) -> None:
        """See AdbLink."""
        deadline = time.monotonic() + limit_s

        def take(kind: int, payload: bytes) -> None:
            if kind == STDOUT:
                target.write(payload)

        def converse(sock: socket.socket) -> None:
            _open_v2(sock, command, deadline)
            if _read_packets(sock, serial, deadline, take, max_bytes) != 0:
                raise PhoneAnswerError(serial, f"{command.name} failed on the phone")

        self._in_shell(serial, command.name, limit_s, deadline, converse)

    def follow(
        self,
        serial: str,
        command: DeviceCommand,
        on_line: Callable[[str], None],
        stop: Stop,
        shell: ShellKind = ShellKind.V2,
    ) -> None:
        """See AdbLink."""
        deadline = time.monotonic() + _FOLLOW_LIMIT_S
        lines = Lines(on_line)

        def converse(sock: socket.socket) -> None:
            if shell is ShellKind.V2:
                _open_v2(sock, command, deadline)
                _follow(sock, Packets(lines.take).take)
            else:
                _request(sock, f"exec:{command.shell_line()}", deadline, "shell", command.name)
                _follow(sock, lines.take)

        try:
            self._in_shell(serial, command.name, _FOLLOW_LIMIT_S, deadline, converse, stop.reaching)
        except LinkError:
            if not stop.is_set:
                raise

    def _in_shell(
        self,
        serial: str,
        name: str,
        limit_s: float,
        deadline: float,
        converse: Callable[[socket.socket], T],
        within: Callable[[socket.socket], AbstractContextManager[object]] = nullcontext,
    ) -> T:
        """Choose the phone, then talk; what fails before the shell was asked for did not reach the phone."""
        with closing(self._open_server(serial)) as sock, within(sock):
            try:
                _request(sock, f"host:transport:{serial}", deadline, "transport", name)
            except _RefusedError as error:
                raise _refusal(serial, error.text) from error
            except OSError as error:
                raise AdbServerUnreachableError(serial, _SILENT) from error
            try:
                answer = converse(sock)
                failpoint("answer", name)
                return answer
            except _RefusedError as error:
                raise _refusal_at_open(serial, error.text) from error
            except TimeoutError as error:
                raise CommandTimeoutError(serial, limit_s) from error
            except OSError as error:
                raise ConnectionLostError(serial, "the connection ended in mid-command") from error

    def _open_server(self, serial: str) -> socket.socket:
        try:
            return self._open()
        except OSError as error:
            raise AdbServerUnreachableError(serial, f"no adb server answers on {self._address}; start it") from error

    def _ask_server(self, service: str, limit_s: float) -> str:
        deadline = time.monotonic() + limit_s
        with closing(self._open_server("")) as sock:
            try:
                _request(sock, service, deadline)
                return _read_block(sock, deadline)
            except _RefusedError as error:
                return error.text
            except (OSError, ValueError) as error:
                raise AdbServerUnreachableError("", _SILENT) from error


_SILENT = "the adb server does not answer as one; it is started anew, or restart it"


class _RefusedError(Exception):
    """The server answered FAIL."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def _request(
    sock: socket.socket,
    service: str,
    deadline: float,
    step: str = "server",
    of: str = "",
    last_look: LastLook = nullcontext,
) -> None:
    payload = service.encode()
    _arm(sock, deadline)
    failpoint(step + ".write", of)
    with last_look():
        sock.sendall(b"%04x" % len(payload) + payload)
    failpoint(step + ".written", of)
    status = _read_exactly(sock, 4, deadline)
    if status == b"FAIL":
        raise _RefusedError(_read_block(sock, deadline))
    if status != b"OKAY":
        raise ConnectionError("the server answered neither OKAY nor FAIL")
    failpoint(step + ".open", of)


def _read_block(sock: socket.socket, deadline: float) -> str:
    size = int(_read_exactly(sock, 4, deadline), 16)
    return _read_exactly(sock, size, deadline).decode(errors="replace")


def _run_v2(
    sock: socket.socket, serial: str, command: DeviceCommand, deadline: float, last_look: LastLook
) -> CommandResult:
    streams: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}

    def take(kind: int, payload: bytes) -> None:
        streams[kind].append(payload)

    _open_v2(sock, command, deadline, last_look)
    exit_code = _read_packets(sock, serial, deadline, take, MAX_ANSWER_BYTES)
    stdout, stderr = (b"".join(streams[kind]).decode(errors="replace") for kind in (STDOUT, STDERR))
    return CommandResult(stdout, stderr, exit_code)


def _open_v2(sock: socket.socket, command: DeviceCommand, deadline: float, last_look: LastLook = nullcontext) -> None:
    _request(sock, f"shell,v2,raw:{command.shell_line()}", deadline, "shell", command.name, last_look)
    failpoint("stdin.close", command.name)
    sock.sendall(HEADER.pack(CLOSE_STDIN, 0))
    failpoint("stdin.closed", command.name)


def _read_packets(
    sock: socket.socket, serial: str, deadline: float, take: Callable[[int, bytes], None], max_bytes: int
) -> int:
    """Read shell packets to the exit code, which is given."""
    buffer, total_bytes = bytearray(), 0
    while True:
        while len(buffer) >= HEADER.size:
            kind, size = HEADER.unpack_from(buffer)
            if kind != EXIT and total_bytes + size > max_bytes:
                raise PhoneAnswerError(serial, f"the answer is longer than {max_bytes} bytes")
            if len(buffer) < HEADER.size + size:
                break
            payload = bytes(buffer[HEADER.size : HEADER.size + size])
            del buffer[: HEADER.size + size]
            total_bytes += size
            if kind == EXIT:
                return payload[0] if payload else 255
            if kind in (STDOUT, STDERR):
                take(kind, payload)
        buffer += _read_some(sock, deadline)


def _run_exec(
    sock: socket.socket, serial: str, command: DeviceCommand, deadline: float, last_look: LastLook
) -> CommandResult:
    """The script goes in by standard input: a phone of that age takes no command of more than 4 KB."""
    script, marker = commands.script(command)
    _request(sock, "exec:sh", deadline, "shell", command.name)
    failpoint("script.write", command.name)
    with last_look():
        sock.sendall(script)
    failpoint("script.written", command.name)
    output = bytearray()
    while (found := re.search(rb"%b(\d{1,3})\n" % marker, output[-len(marker) - 8 :])) is None:
        output += _read_some(sock, deadline)
        if len(output) > MAX_ANSWER_BYTES:
            raise PhoneAnswerError(serial, f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    text = bytes(output[: output.rindex(marker)])
    return CommandResult(text.decode(errors="replace"), "", int(found[1]))


def _follow(sock: socket.socket, take: Callable[[bytes], None]) -> NoReturn:
    sock.settimeout(None)
    while chunk := sock.recv(_FOLLOW_BYTES):
        take(chunk)
    raise ConnectionError("the stream ended")


def _read_some(sock: socket.socket, deadline: float) -> bytes:
    _arm(sock, deadline)
    chunk = sock.recv(_READ_BYTES)
    if not chunk:
        raise ConnectionError("the stream ended early")
    return chunk


def _read_exactly(sock: socket.socket, size: int, deadline: float) -> bytes:
    chunks: list[bytes] = []
    while size > 0:
        _arm(sock, deadline)
        chunk = sock.recv(min(size, _READ_BYTES))
        if not chunk:
            raise ConnectionError("the stream ended early")
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _readable(sock: socket.socket, limit_s: float) -> bool:
    sock.settimeout(limit_s)
    try:
        if not sock.recv(1, socket.MSG_PEEK):
            raise ConnectionError("the stream ended")
    except TimeoutError:
        return False
    return True


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
