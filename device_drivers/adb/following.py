"""What a command that is followed says, line by line, from whatever pieces it comes in. Pure; memory is bounded."""

from __future__ import annotations

from collections.abc import Callable

from device_drivers.adb.link import MAX_LINE_BYTES
from device_drivers.adb.shell_v2 import EXIT, HEADER, STDOUT


class Lines:
    """Puts lines together; the rest of one that is too long is lost."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._line = bytearray()

    def take(self, data: bytes) -> None:
        """Give every line that ends in this piece."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._add(piece)
            line = self._line.decode(errors="replace")
            self._line.clear()
            self._on_line(line)
        self._add(rest)

    def _add(self, piece: bytes) -> None:
        self._line += piece[: MAX_LINE_BYTES - len(self._line)]


class Packets:
    """Takes stdout out of shell packets. None is waited for as a whole, however long it says that it is."""

    def __init__(self, on_stdout: Callable[[bytes], None]) -> None:
        self._on_stdout = on_stdout
        self._buffer = bytearray()
        self._kind = self._left = 0

    def take(self, data: bytes) -> None:
        """Give what stdout there is in this piece. Raises ConnectionError where the command has ended."""
        self._buffer += data
        while self._left > 0 or len(self._buffer) >= HEADER.size:
            if self._left == 0:
                self._begin()
            piece = bytes(self._buffer[: self._left])
            del self._buffer[: self._left]
            self._left -= len(piece)
            if self._kind == STDOUT:
                self._on_stdout(piece)
            if not self._buffer:
                return

    def _begin(self) -> None:
        self._kind, self._left = HEADER.unpack_from(self._buffer)
        del self._buffer[: HEADER.size]
        if self._kind == EXIT:
            raise ConnectionError("the command has ended")
