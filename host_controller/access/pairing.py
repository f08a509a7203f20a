"""What pairs a phone with the rack: the words that the app reads from a QR code, and that code in every form."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field

import qrcode
from qrcode.constants import ERROR_CORRECT_M
from qrcode.image.pure import PyPNGImage
from qrcode.image.svg import SvgPathFillImage

_TYPE = "sms_gateway"
_PNG_PIXELS_PER_MODULE = 8
# By number and not by name: a terminal's own "black" and "white" are its theme's.
_DARK_ON_LIGHT, _LIGHT_ON_DARK, _RESET = "\x1b[38;5;16;48;5;231m", "\x1b[38;5;231;48;5;16m", "\x1b[0m"
# A character is two modules high; by whether the upper and the lower one are drawn.
_HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


@dataclass(frozen=True)
class PairingCode:
    """A pairing code; whoever sees it has the key."""

    url: str
    secret: str = field(repr=False)

    @property
    def payload(self) -> dict[str, str]:
        """What the app wants to read."""
        return {"type": _TYPE, "url": self.url, "api_key": self.secret}

    def svg(self) -> str:
        """Give it as one SVG element, black on white, without styles or scripts."""
        return str(self._drawn().make_image(image_factory=SvgPathFillImage).to_string(encoding="unicode"))

    def png(self) -> bytes:
        """Give it as a PNG file."""
        file = io.BytesIO()
        self._drawn().make_image(image_factory=PyPNGImage).save(file)
        return file.getvalue()

    def png_base64(self) -> str:
        """Give that file in Base64."""
        return base64.b64encode(self.png()).decode()

    def lines(self, *, colours: bool, invert: bool = False) -> list[str]:
        """Give it for a terminal, two modules a character.

        With colours it is black on white whatever the terminal's own are. Without them what is light is drawn, for a
        dark terminal. `invert` does either the other way round.
        """
        return draw_lines(self.matrix(), colours=colours, invert=invert)

    def matrix(self) -> list[list[bool]]:
        """Give its modules row by row, True for dark ones, with the quiet zone around."""
        return [[bool(module) for module in row] for row in self._drawn().get_matrix()]

    def _drawn(self) -> qrcode.QRCode:
        code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, box_size=_PNG_PIXELS_PER_MODULE)
        code.add_data(json.dumps(self.payload, separators=(",", ":")))
        code.make()
        return code


def draw_lines(matrix: list[list[bool]], *, colours: bool, invert: bool) -> list[str]:
    """Draw modules, two rows a line: see PairingCode.lines."""
    draws_dark = colours or invert
    rows = [[module is draws_dark for module in row] for row in matrix]
    if len(rows) % 2:
        rows.append([not draws_dark] * len(rows[0]))
    lines = [
        "".join(_HALVES[halves] for halves in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    ]
    if not colours:
        return lines
    begin = _LIGHT_ON_DARK if invert else _DARK_ON_LIGHT
    return [f"{begin}{line}{_RESET}" for line in lines]
