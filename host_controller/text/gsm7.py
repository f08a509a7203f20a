"""The GSM 7-bit default alphabet and its default extension table: 3GPP TS 23.038, 6.2.1. Pure."""

from __future__ import annotations

# The escape code 0x1B is not a character and is left out.
DEFAULT_ALPHABET = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each costs two septets: the escape and its code.
EXTENSION = frozenset("\f^{}\\[~]|€")
_SEPTETS = dict.fromkeys(DEFAULT_ALPHABET, 1) | dict.fromkeys(EXTENSION, 2)


def is_gsm7(text: str) -> bool:
    """Tell whether every character is in the alphabet."""
    return _SEPTETS.keys() >= set(text)


def count_septets(text: str) -> int:
    """Count septets of a text that is in the alphabet."""
    return sum(_SEPTETS[character] for character in text)


def cut_septets(text: str, limit_septets: int) -> list[str]:
    """Cut a text of the alphabet into pieces of at most so many septets, never between an escape and its code."""
    pieces: list[str] = []
    start = used = 0
    for index, character in enumerate(text):
        cost = _SEPTETS[character]
        if used + cost > limit_septets:
            pieces.append(text[start:index])
            start, used = index, 0
        used += cost
    pieces.append(text[start:])
    return pieces
