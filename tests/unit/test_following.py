"""Lines and packets of a command that is followed, in whatever pieces they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.adb.following import Lines, Packets
from device_drivers.adb.link import MAX_LINE_BYTES
from device_drivers.adb.shell_v2 import EXIT, HEADER, STDERR, STDOUT


def packet(kind: int, payload: bytes) -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


@st.composite
def in_pieces(draw, data: bytes) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@given(st.data(), st.lists(st.tuples(st.sampled_from([STDOUT, STDERR, 9]), st.binary(max_size=30)), max_size=8))
def test_packets_give_stdout_alone_however_they_are_cut(data, packets):
    found = bytearray()
    reader = Packets(found.extend)
    for piece in data.draw(in_pieces(b"".join(packet(*each) for each in packets))):
        reader.take(piece)
    assert bytes(found) == b"".join(payload for kind, payload in packets if kind == STDOUT)


@given(st.data(), st.lists(st.binary(max_size=20).filter(lambda text: b"\n" not in text), max_size=6))
def test_lines_are_whole_however_they_are_cut(data, texts):
    found: list[str] = []
    reader = Lines(found.append)
    for piece in data.draw(in_pieces(b"".join(text + b"\n" for text in texts) + b"not ended")):
        reader.take(piece)
    assert found == [text.decode(errors="replace") for text in texts]


@given(st.lists(st.binary(max_size=40)))
def test_noise_is_no_crash(pieces):
    reader = Packets(Lines(lambda _line: None).take)
    for piece in pieces:
        try:
            reader.take(piece)
        except ConnectionError:
            return


def test_the_end_of_the_command_is_an_end():
    found = bytearray()
    with pytest.raises(ConnectionError):
        Packets(found.extend).take(packet(STDOUT, b"last") + packet(EXIT, b"\0"))
    assert found == b"last"


def test_a_line_and_a_packet_without_end_take_no_memory():
    found: list[str] = []
    lines = Lines(found.append)
    packets = Packets(lines.take)
    packets.take(HEADER.pack(STDOUT, 0xFFFFFFFF))
    for _ in range(200):
        packets.take(b"x" * 100_000)
    assert len(lines._line) == MAX_LINE_BYTES
    assert len(packets._buffer) == 0
    packets.take(b"\nnext\n")
    assert found == ["x" * MAX_LINE_BYTES, "next"]
