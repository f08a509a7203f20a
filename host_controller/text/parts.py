"""Cutting a text into the parts of a concatenated message exactly as Android does. Pure.

Sizes: 3GPP TS 23.040, 9.2.3.24.1 (a concatenation header takes 6 octets of 140). Cuts: AOSP's
SmsMessage.fragmentText; where it lets a piece end, a phone accepts any shorter piece too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import regex

from host_controller.text.gsm7 import count_septets, cut_septets, is_gsm7

SINGLE_SEPTETS, PART_SEPTETS = 160, 153
SINGLE_UNITS, PART_UNITS = 70, 67
_GRAPHEME = regex.compile(r"\X")


class Encoding(StrEnum):
    """How a message travels; one character outside the 7-bit alphabet makes the whole message UCS-2."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


@dataclass(frozen=True)
class Parts:
    """A text in pieces; joined they are the text."""

    encoding: Encoding
    texts: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many SMS it costs."""
        return len(self.texts)


def cut_into_parts(text: str) -> Parts:
    """Cut a text; one part where it fits into a single message."""
    if is_gsm7(text):
        fits = count_septets(text) <= SINGLE_SEPTETS
        return Parts(Encoding.GSM7, (text,) if fits else tuple(cut_septets(text, PART_SEPTETS)))
    fits = _units(text) <= SINGLE_UNITS
    return Parts(Encoding.UCS2, (text,) if fits else tuple(_cut_units(text)))


def count_parts(text: str) -> int:
    """How many SMS a text costs."""
    return cut_into_parts(text).count


def _cut_units(text: str) -> list[str]:
    """Cut at grapheme boundaries, and inside a grapheme that is longer than a part at a code point."""
    pieces: list[str] = []
    piece, used = "", 0
    for atom in _atoms(text):
        cost = _units(atom)
        if used + cost > PART_UNITS:
            pieces.append(piece)
            piece, used = "", 0
        piece += atom
        used += cost
    pieces.append(piece)
    return pieces


def _atoms(text: str) -> list[str]:
    atoms: list[str] = []
    for grapheme in _GRAPHEME.findall(text):
        atoms.extend(grapheme if _units(grapheme) > PART_UNITS else (grapheme,))
    return atoms


def _units(text: str) -> int:
    """UTF-16 code units: characters beyond the basic plane, such as emoji, take two."""
    return len(text) + sum(character > "\uffff" for character in text)
