"""Who listens at an address, and whether it answers as an adb server: its version, its process, its owner."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from device_drivers.adb.address import LOOPBACK, ServerAddress

_PROC = Path("/proc")
_TCP_LISTENING = "0A"
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of SO_PEERCRED


@dataclass(frozen=True)
class Listener:
    """A process behind an address; None where the system does not tell."""

    pid: int | None
    uid: int | None

    @property
    def is_ours(self) -> bool:
        """Whether this user runs it."""
        return self.uid == os.getuid()

    def __str__(self) -> str:
        """For a person: program, pid and owner."""
        program = _program(self.pid) if self.pid else None
        owner = _user(self.uid) if self.uid is not None else "an unknown user"
        return f"{program or 'a program'}" + (f" (pid {self.pid})" if self.pid else "") + f" of {owner}"


def ask_version(address: ServerAddress, limit_s: float) -> int | None:
    """Give the version of the adb server there (its last number, like 41), None where none answers in time."""
    try:
        with closing(_connect(address, limit_s)) as sock:
            sock.sendall(b"000chost:version")
            answer = b""
            while len(answer) < 12:
                chunk = sock.recv(12 - len(answer))
                if not chunk:
                    return None
                answer += chunk
        return int(answer[8:], 16) if answer.startswith(b"OKAY0004") else None
    except (OSError, ValueError):
        return None


def find_listener(address: ServerAddress) -> Listener | None:
    """Give the process that listens there, or None where nobody does."""
    if address.socket_path:
        try:
            with closing(_connect(address, 1.0)) as sock:
                raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return None
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        return Listener(pid or None, uid)
    for line in _lines(_PROC / "net/tcp"):
        fields = line.split()
        if len(fields) > 9 and fields[3] == _TCP_LISTENING and int(fields[1].split(":")[1], 16) == address.port:
            return Listener(_holder_of(f"socket:[{fields[9]}]"), int(fields[7]))
    return None


def _connect(address: ServerAddress, limit_s: float) -> socket.socket:
    if address.socket_path is None:
        return socket.create_connection((LOOPBACK, address.port or 0), limit_s)
    sock = address.connect_unix(limit_s)
    sock.settimeout(limit_s)
    return sock


def _holder_of(socket_name: str) -> int | None:
    """Find the process with this socket open; other users' processes cannot be looked into."""
    for process in _PROC.glob("[0-9]*"):
        try:
            entries = os.listdir(process / "fd")
        except OSError:
            continue
        if any(_target(process / "fd" / entry) == socket_name for entry in entries):
            return int(process.name)
    return None


def _target(link: Path) -> str | None:
    try:
        return os.readlink(link)
    except OSError:
        return None  # closed in the meantime


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()[1:]
    except OSError:
        return []


def _program(pid: int) -> str | None:
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace") or None
    except OSError:
        return None


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
