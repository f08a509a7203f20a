"""Frames of the ADB protocol and of its shell protocol, device side. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = (
    int.from_bytes(word, "little") for word in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
VERSION = 0x01000001  # from this version on the checksum is not looked at
OLD_VERSION = 0x01000000
OLD_MAX_PAYLOAD = 4096
MAX_PAYLOAD = 1024 * 1024
AUTH_TOKEN, AUTH_SIGNATURE, AUTH_PUBLIC_KEY = 1, 2, 3
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
_HEADER = struct.Struct("<6I")
_SHELL_HEADER = struct.Struct("<BI")


class FrameError(ValueError):
    """Bytes that are not ADB's."""


@dataclass(frozen=True)
class Frame:
    """One message of the protocol."""

    command: int
    arg0: int
    arg1: int
    payload: bytes = b""

    def encode(self, *, checked: bool = True) -> bytes:
        """The bytes on the wire; unchecked without the sum of the payload, as adbd sends them where nobody looks."""
        magic = self.command ^ 0xFFFFFFFF
        check = sum(self.payload) & 0xFFFFFFFF if checked else 0
        return _HEADER.pack(self.command, self.arg0, self.arg1, len(self.payload), check, magic) + self.payload


def take_frame(buffer: bytearray) -> Frame | None:
    """Take one whole frame off the buffer's front, or None where it is not all there. Raises FrameError."""
    if len(buffer) < _HEADER.size:
        return None
    command, arg0, arg1, size, _, magic = _HEADER.unpack_from(buffer)
    if magic != command ^ 0xFFFFFFFF or size > MAX_PAYLOAD:
        raise FrameError("not an ADB frame")
    if len(buffer) < _HEADER.size + size:
        return None
    payload = bytes(buffer[_HEADER.size : _HEADER.size + size])
    del buffer[: _HEADER.size + size]
    return Frame(command, arg0, arg1, payload)


def shell_packet(kind: int, payload: bytes) -> bytes:
    """A packet of shell protocol v2."""
    return _SHELL_HEADER.pack(kind, len(payload)) + payload


def take_shell_packet(buffer: bytearray) -> tuple[int, bytes] | None:
    """Take one whole packet off the buffer's front, or None."""
    if len(buffer) < _SHELL_HEADER.size:
        return None
    kind, size = _SHELL_HEADER.unpack_from(buffer)
    if len(buffer) < _SHELL_HEADER.size + size:
        return None
    payload = bytes(buffer[_SHELL_HEADER.size : _SHELL_HEADER.size + size])
    del buffer[: _SHELL_HEADER.size + size]
    return kind, payload
