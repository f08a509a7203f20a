"""Parcels on the phone's side: built from the arguments of `service`, read by a stub, printed as `service` does."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

# A flat_binder_object on a 64-bit phone: what the word `null` writes. Its type (`sb*` 0x85) and flags are not zero, so
# that it reads as no null String and no empty one.
_NULL_BINDER = struct.pack("<IIQQ", 0x73622A85, 0x17F, 0, 0)
SECURITY, BAD_PARCELABLE, ILLEGAL_ARGUMENT, NULL_POINTER = -1, -2, -3, -4


class UsageError(Exception):
    """`service` does not understand its arguments; what it understood so far was sent all the same."""


@dataclass(frozen=True)
class RemoteError(Exception):
    """An exception that the stub writes into the reply."""

    code: int
    words: str


def int32(value: int) -> bytes:
    """Parcel a 32-bit integer."""
    return struct.pack("<i", value)


def int64(value: int) -> bytes:
    """Parcel a 64-bit integer."""
    return struct.pack("<q", value)


def string16(text: str | None) -> bytes:
    """Parcel a String."""
    if text is None:
        return int32(-1)
    units = text.encode("utf-16-le", "surrogatepass")
    data = units + b"\0\0"
    return int32(len(units) // 2) + data + bytes(-len(data) % 4)


def from_arguments(arguments: Sequence[bytes], *, knows_i64: bool) -> tuple[bytes, UsageError | None]:
    """Build the parcel that `service call` builds, and the usage error that it stops at, if any."""
    parcel = bytearray()
    rest = iter(arguments)
    for kind in rest:
        if kind == b"null":
            parcel += _NULL_BINDER
            continue
        word = next(rest, None)
        if kind not in _WRITERS or word is None or (kind == b"i64" and not knows_i64):
            return bytes(parcel), UsageError(f"service: unknown or incomplete option {kind.decode(errors='replace')}")
        parcel += _WRITERS[kind](word)
    return bytes(parcel), None


_NUMBER = re.compile(rb"\s*([+-]?[0-9]+)")


def _atoi(word: bytes) -> int:
    match = _NUMBER.match(word)
    return int(match[1]) if match else 0


def _write_i32(word: bytes) -> bytes:
    return struct.pack("<I", _atoi(word) & 0xFFFFFFFF)


def _write_i64(word: bytes) -> bytes:
    return struct.pack("<Q", _atoi(word) & 0xFFFFFFFFFFFFFFFF)


def _write_s16(word: bytes) -> bytes:
    try:
        return string16(word.decode("utf-8"))
    except UnicodeDecodeError:
        return string16("")  # String16 of malformed UTF-8 is empty, without a word


_WRITERS = {b"i32": _write_i32, b"i64": _write_i64, b"s16": _write_s16}


class Reader:
    """Reads a parcel as generated Java stubs do: past the end there are zeros and nulls, never an error."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def int32(self) -> int:
        """`readInt`."""
        return self._number("<i", 4)

    def int64(self) -> int:
        """`readLong`."""
        return self._number("<q", 8)

    def string16(self) -> str | None:
        """`readString`."""
        units = self.int32()
        size = (units + 1) * 2
        if units < 0 or self._at + size > len(self._data):
            return None
        text = self._data[self._at : self._at + units * 2].decode("utf-16-le", "surrogatepass")
        self._at += size + -size % 4
        return text

    def string_list(self) -> list[str | None] | None:
        """`createStringArrayList`."""
        count = self.int32()
        return None if count < 0 else [self.string16() for _ in range(min(count, 1000))]

    def pending_intent(self) -> None:
        """A nullable PendingIntent; the shell has none to give."""
        if self.int32() != 0:
            raise RemoteError(BAD_PARCELABLE, "PendingIntent expected")

    def pending_intents(self) -> None:
        """A nullable list of them."""
        for _ in range(max(0, min(self.int32(), 1000))):
            self.pending_intent()

    def left(self) -> int:
        """Bytes that were not read."""
        return max(0, len(self._data) - self._at)

    def _number(self, form: str, size: int) -> int:
        if self._at + size > len(self._data):
            return 0
        value: int = struct.unpack_from(form, self._data, self._at)[0]
        self._at += size
        return value


def exception(error: RemoteError, *, trace_header: bool) -> bytes:
    """The reply of a stub that threw, with the empty stack-trace header of newer Androids."""
    return int32(error.code) + string16(error.words) + (int32(0) if trace_header else b"")


def printed(reply: bytes, *, tab: bool) -> bytes:
    """The reply as `service call` prints it: libbinder's hex dump of little-endian words."""
    rows = [reply[start : start + 16] for start in range(0, len(reply), 16)]
    short = len(reply) <= 16
    lines = []
    for number, row in enumerate(rows):
        cells = [row[i : i + 4][::-1].hex() for i in range(0, 16, 4)]
        if not short:
            cells = [cell or " " * 8 for cell in cells]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        place = "" if short else f"0x{number * 16:08x}: "
        lines.append(f"{place}{' '.join(cells)} '{shown if short else shown.ljust(16)}'")
    start = "Result: Parcel(" + ("\t" if tab else "")
    if not rows:
        return b"Result: Parcel(NULL)\n"
    if short:
        return f"{start}{lines[0]})\n".encode()
    indent = "" if tab else "  "
    return (start + "\n" + "\n".join(indent + line for line in lines) + ")\n").encode()


NOT_A_DATA_MESSAGE = b'Result: Parcel(Error: 0xffffffffffffffb6 "Not a data message")\n'
