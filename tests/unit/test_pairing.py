"""A pairing code says the same in every form, and what it says is what the app reads."""

from __future__ import annotations

import io
import json
import re

import png
import pytest
from qrcode.base import RSBlock, rs_blocks
from qrcode.constants import ERROR_CORRECT_M
from qrcode.util import mask_func

from host_controller.access.pairing import PairingCode

URL = "https://sms.example.com/rack"
SECRET = "aB3_-" * 8 + "xyz"
CODE = PairingCode(URL, SECRET)
QUIET = 4
DARK_HALVES = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}


def modules():
    """The modules without the quiet zone, checked to be one."""
    matrix = CODE.matrix()
    inner = [row[QUIET:-QUIET] for row in matrix[QUIET:-QUIET]]
    assert sum(map(sum, matrix)) == sum(map(sum, inner))
    return inner


def test_the_code_decodes_to_what_the_app_wants():
    text = json.loads(decode(modules()))
    assert text == {"type": "sms_gateway", "url": URL, "api_key": SECRET}
    assert list(text) == ["type", "url", "api_key"]


def test_the_key_is_not_in_its_repr():
    assert SECRET not in repr(CODE)


def test_the_svg_has_the_same_modules_and_neither_style_nor_script():
    svg = CODE.svg()
    assert svg.startswith("<svg ")
    assert not re.search(r"style|script|href|<!|\bon\w+=", svg)
    matrix = CODE.matrix()
    size = len(matrix)
    view = float(re.search(r'viewBox="0 0 ([\d.]+) ', svg)[1])
    scale = view / size
    drawn = {(round(float(x) / scale), round(float(y) / scale)) for x, y in re.findall(r"M([\d.]+),([\d.]+)H", svg)}
    assert drawn == {(x, y) for y in range(size) for x in range(size) if matrix[y][x]}


def test_the_png_has_the_same_modules():
    width, height, rows, _ = png.Reader(bytes=CODE.png()).read()
    pixels, matrix = [list(row) for row in rows], CODE.matrix()
    assert width == height == 8 * len(matrix)
    assert [[pixels[8 * y + 3][8 * x + 3] == 0 for x in range(len(matrix))] for y in range(len(matrix))] == matrix


@pytest.mark.parametrize("colours", [True, False])
@pytest.mark.parametrize("invert", [True, False])
def test_the_terminal_shows_the_same_modules(colours, invert):
    lines = CODE.lines(colours=colours, invert=invert)
    if colours:
        ground = "\x1b[38;5;231;48;5;16m" if invert else "\x1b[38;5;16;48;5;231m"
        assert all(line.startswith(ground) and line.endswith("\x1b[0m") for line in lines)
        lines = [line.removeprefix(ground).removesuffix("\x1b[0m") for line in lines]
    drawn = [[DARK_HALVES[half][n] for half in line] for line in lines for n in (0, 1)]
    draws_dark = colours or invert
    matrix = CODE.matrix()
    assert [[bool(cell) is draws_dark for cell in row] for row in drawn[: len(matrix)]] == matrix
    # What fills the last line up is light.
    assert all(bool(cell) is not draws_dark for row in drawn[len(matrix) :] for cell in row)
    assert max(map(len, lines)) <= 80


def decode(rows):
    """Read a QR code as ISO/IEC 18004 says; it must be without errors, in bytes, and of a version from 2 to 40."""
    size = len(rows)
    version = (size - 17) // 4
    bits15 = [rows[8][x] for x in (0, 1, 2, 3, 4, 5, 7, 8)] + [rows[y][8] for y in (7, 5, 4, 3, 2, 1, 0)]
    form = int("".join(map(str, map(int, bits15))), 2) ^ 0b101010000010010
    assert form >> 13 == ERROR_CORRECT_M
    mask = mask_func((form >> 10) & 7)
    reserved = reserved_places(version, size)
    bits = []
    column, upwards = size - 1, True
    while column > 0:
        column -= column == 6
        for y in range(size - 1, -1, -1) if upwards else range(size):
            bits += [rows[y][x] ^ mask(y, x) for x in (column, column - 1) if (y, x) not in reserved]
        column, upwards = column - 2, not upwards
    words = [int("".join(map(str, map(int, bits[n : n + 8]))), 2) for n in range(0, len(bits) // 8 * 8, 8)]
    stream = "".join(f"{word:08b}" for word in in_order(words, rs_blocks(version, ERROR_CORRECT_M)))
    assert stream[:4] == "0100"
    length_bits = 8 if version < 10 else 16
    start = 4 + length_bits
    length = int(stream[4:start], 2)
    return bytes(int(stream[start + 8 * n : start + 8 * n + 8], 2) for n in range(length)).decode()


def reserved_places(version, size):
    found = {(y, x) for y in range(9) for x in range(9)}
    found |= {(y, x) for y in range(9) for x in range(size - 8, size)}
    found |= {(x, y) for y, x in found if x >= size - 8}
    found |= {(6, n) for n in range(size)} | {(n, 6) for n in range(size)}
    if version >= 7:
        found |= {(y, x) for y in range(6) for x in range(size - 11, size - 8)}
        found |= {(x, y) for y in range(6) for x in range(size - 11, size - 8)}
    centres = alignment(version, size)
    corners = {(6, 6), (6, size - 7), (size - 7, 6)}
    for y, x in {(y, x) for y in centres for x in centres} - corners:
        found |= {(y + dy, x + dx) for dy in range(-2, 3) for dx in range(-2, 3)}
    return found


def alignment(version, size):
    count = version // 7 + 2
    step = 26 if version == 32 else (version * 4 + count * 2 + 1) // (count * 2 - 2) * 2
    return [6, *sorted(size - 7 - step * n for n in range(count - 1))]


def in_order(words, blocks: list[RSBlock]):
    """Undo the interleaving of the blocks; what corrects errors comes after all data."""
    stream = io.BytesIO(bytes(words))
    data = [[] for _ in blocks]
    for n in range(max(block.data_count for block in blocks)):
        for found, block in zip(data, blocks, strict=True):
            if n < block.data_count:
                found += stream.read(1)
    return [word for found in data for word in found]
