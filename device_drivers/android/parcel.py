"""Binder parcels as Android's `service call` takes and prints them. Pure.

Arguments are typed tokens; the reply is a hex dump whose words are little-endian 32-bit values. Layout of the dump and
of exceptions: AOSP libs/binder Parcel.cpp/Debug.cpp and android/os/Parcel.java `writeException`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

_NO_EXCEPTION = 0
_EXCEPTION_NAMES = {
    -1: "SecurityException",
    -2: "BadParcelableException",
    -3: "IllegalArgumentException",
    -4: "NullPointerException",
    -5: "IllegalStateException",
    -6: "NetworkOnMainThreadException",
    -7: "UnsupportedOperationException",
    -8: "ServiceSpecificException",
    -9: "ParcelableException",
}
# One row of the dump: only the hex before the first ` '` counts, the ASCII column may hold anything.
_ROW = re.compile(r"(?:0x(?P<offset>[0-9a-f]{8}): )?(?P<words>[0-9a-f]{8}(?: [0-9a-f]{8}){0,3}) +'.*'", re.DOTALL)
_ERROR = re.compile(r"Result: Parcel\(Error: 0x[0-9a-f]+ \"[^\"\n]*\"\)\n?")
_LONG_NUMBER = re.compile(r"\d{5,}")


def i32(value: int) -> list[str]:
    """A 32-bit integer; also a boolean, a null String (-1), a null PendingIntent (0), a null List (-1)."""
    return ["i32", str(value)]


def i64(value: int) -> list[str]:
    """A 64-bit integer (`service` knows the word from Android 6 on)."""
    return ["i64", str(value)]


def s16(text: str) -> list[str]:
    """A String. Never for null: `s16 null` sends the four letters."""
    return ["s16", text]


def string_list(texts: Sequence[str]) -> list[str]:
    """A List<String>: its length, then each String."""
    return i32(len(texts)) + [token for text in texts for token in s16(text)]


NULL_STRING = i32(-1)
NULL_LIST = i32(-1)
NULL_PENDING_INTENT = i32(0)


class ParcelGrammarError(ValueError):
    """The output is not what `service call` prints."""


@dataclass(frozen=True)
class Reply:
    """What a call gave back: an exception in the phone's words, or the bytes after the exception word."""

    exception: str | None
    payload: bytes

    def string16(self) -> str | None:
        """Read a String from the payload's start, or None where the payload is not exactly one String."""
        return _read_string16(self.payload)[0]

    def boolean(self) -> bool | None:
        """Read a boolean, or None where the payload is not exactly one."""
        return {b"\0\0\0\0": False, b"\1\0\0\0": True}.get(self.payload)


def parse_reply(output: str) -> Reply:
    """Read the whole output of one `service call`. Raises ParcelGrammarError for anything else, an unknown code too."""
    if _ERROR.fullmatch(output):
        raise ParcelGrammarError("the phone does not know this transaction code")
    data = _parse_dump(output)
    if len(data) < 4:
        raise ParcelGrammarError("the reply holds no exception word")
    (code,) = struct.unpack_from("<i", data)
    if code == _NO_EXCEPTION:
        return Reply(None, data[4:])
    text, _ = _read_string16(data[4:], exactly=False)
    name = _EXCEPTION_NAMES.get(code, f"exception {code}")
    # The words may repeat the destination.
    words = _LONG_NUMBER.sub("•••", text) if text else "without words"
    return Reply(f"{name}: {words}", b"")


def _parse_dump(output: str) -> bytes:
    prefix, suffix = "Result: Parcel(", ")"
    body = output.removesuffix("\n")
    if not (body.startswith(prefix) and body.endswith(suffix)):
        raise ParcelGrammarError("not a parcel dump")
    body = body.removeprefix(prefix).removesuffix(suffix)
    data = b""
    for line in body.strip().split("\n"):
        row = _ROW.fullmatch(line.strip())
        if row is None or (row["offset"] is not None and int(row["offset"], 16) != len(data)):
            raise ParcelGrammarError("a row of the parcel dump is damaged")
        data += b"".join(bytes.fromhex(word)[::-1] for word in row["words"].split(" "))
    return data


def _read_string16(data: bytes, *, exactly: bool = True) -> tuple[str | None, int]:
    """Give the String at the start and the bytes it took: int32 units, units, NUL, padding to four bytes."""
    if len(data) < 4:
        return None, 0
    (units,) = struct.unpack_from("<i", data)
    size = 4 + (units + 1) * 2 + (-(units + 1) * 2) % 4
    if units < 0 or len(data) < size or (exactly and len(data) != size):
        return None, 0
    return data[4 : 4 + units * 2].decode("utf-16-le", errors="replace"), size
