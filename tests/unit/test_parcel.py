"""Parcel dumps as `service call` prints them, from AOSP's own printing rules."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.android import parcel

OK_OLD = "Result: Parcel(00000000    '....')\n"
OK_NEW = "Result: Parcel(\t00000000    '....')\n"
TRUE = "Result: Parcel(00000000 00000001   '........')\n"
UNKNOWN = """Result: Parcel(
  0x00000000: 00000000 00000007 006e0075 006e006b '........u.n.k.n.'
  0x00000010: 0077006f 0000006e                   'o.w.n...        ')
"""
SURPLUS = """Result: Parcel(\t
0x00000000: fffffffe 0000002e 00610050 00630072 '........P.a.r.c.'
0x00000010: 006c0065 00640020 00740061 00200061 'e.l. .d.a.t.a. .'
0x00000020: 006f006e 00200074 00750066 006c006c 'n.o.t. .f.u.l.l.'
0x00000030: 00200079 006f0063 0073006e 006d0075 'y. .c.o.n.s.u.m.'
0x00000040: 00640065 0020002c 006e0075 00650072 'e.d.,. .u.n.r.e.'
0x00000050: 00640061 00730020 007a0069 003a0065 'a.d. .s.i.z.e.:.'
0x00000060: 00340020 00000000 00000000          ' .4.........    ')
"""


@pytest.mark.parametrize("output", [OK_OLD, OK_NEW])
def test_a_clean_return_is_no_exception_and_no_payload(output):
    assert parcel.parse_reply(output) == parcel.Reply(None, b"")


def test_a_boolean_is_read():
    assert parcel.parse_reply(TRUE).boolean() is True


def test_a_string_is_read_over_two_rows():
    assert parcel.parse_reply(UNKNOWN).string16() == "unknown"


def test_a_boolean_is_not_a_string_and_the_other_way_round():
    assert parcel.parse_reply(TRUE).string16() is None
    assert parcel.parse_reply(UNKNOWN).boolean() is None


def test_an_exception_keeps_the_phones_words():
    reply = parcel.parse_reply(SURPLUS)
    assert reply.exception == "BadParcelableException: Parcel data not fully consumed, unread size: 4"


def test_numbers_in_the_phones_words_are_masked():
    words = "Refusing to send to +420777123456"
    data = struct.pack("<ii", -1, len(words)) + words.encode("utf-16-le") + b"\0\0"
    assert parcel.parse_reply(dump(data)).exception == "SecurityException: Refusing to send to +•••"


@pytest.mark.parametrize(
    "output",
    [
        "",
        "Result: Parcel(NULL)\n",
        'Result: Parcel(Error: 0xffffffffffffffb6 "Not a data message")\n',
        "Result: Parcel(00000000    '....'",
        "service: Service isms does not exist\n",
        "Result: Parcel(\n  0x00000000: 00000000 00000007 006e0075 006e006b '........u.n.k.n.'\n"
        "  0x00000020: 0077006f 0000006e                   'o.w.n...        ')\n",
        "junk\nResult: Parcel(00000000    '....')\n",
        "Result: Parcel(0000    '..')\n",
    ],
    ids=["empty", "null", "unknown-code", "cut", "no-service", "gap-in-offsets", "line-before", "half-word"],
)
def test_anything_else_is_refused(output):
    with pytest.raises(parcel.ParcelGrammarError):
        parcel.parse_reply(output)


def dump(data: bytes) -> str:
    """Print bytes as libbinder does, written apart from the reader."""
    data += b"\0" * (-len(data) % 4)
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        words = [f"{int.from_bytes(row[i : i + 4], 'little'):08x}" for i in range(0, len(row), 4)]
        text = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
        lines.append(f"  0x{start:08x}: {' '.join(words):<35} '{text:<16}'")
    if len(data) <= 16:
        return f"Result: Parcel({lines[0].strip().split(': ', 1)[1]})\n"
    return "Result: Parcel(\n" + "\n".join(lines) + ")\n"


@given(st.binary(max_size=200))
def test_every_payload_comes_back(payload):
    payload += b"\0" * (-len(payload) % 4)
    assert parcel.parse_reply(dump(b"\0\0\0\0" + payload)) == parcel.Reply(None, payload)


@given(st.text(max_size=60).filter(lambda text: "\0" not in text))
def test_every_string_comes_back(text):
    units = text.encode("utf-16-le", "surrogatepass")
    data = struct.pack("<ii", 0, len(units) // 2) + units + b"\0\0"
    data += b"\0" * (-len(data) % 4)
    got = parcel.parse_reply(dump(data)).string16()
    assert got == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@given(st.text(alphabet="Result: Parcel(0x'\n\t )abcdef.", max_size=120))
def test_noise_never_crashes_the_reader(noise):
    with contextlib.suppress(parcel.ParcelGrammarError):
        parcel.parse_reply(noise)
