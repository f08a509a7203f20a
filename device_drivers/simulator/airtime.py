"""How much air a text takes, counted on the phone's side. Pure, and written apart from the host's own counting."""

from __future__ import annotations

# Rows of the default alphabet table of 3GPP TS 23.038, column by column; the escape is a blank that never matches.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
_BASIC_SET = set(_BASIC) - {"\x1b"}
_ESCAPED = set("|^€{}[~]\\\x0c")
_BITS_SINGLE, _BITS_PART = 140 * 8, 134 * 8


def encoding_of(texts: list[str]) -> str:
    """`gsm7` or `ucs2`: the widest that any piece needs."""
    seven = all(character in _BASIC_SET or character in _ESCAPED for text in texts for character in text)
    return "gsm7" if seven else "ucs2"


def bits(text: str, encoding: str) -> int:
    """User data bits of one piece."""
    if encoding == "ucs2":
        return len(text.encode("utf-16-be", "surrogatepass")) * 8
    return sum(14 if character in _ESCAPED else 7 for character in text)


def fits_alone(text: str) -> bool:
    """Whether a text goes into one message; a longer one has no PDU and is dropped by the framework."""
    return bits(text, encoding_of([text])) <= _BITS_SINGLE


def fits_as_parts(texts: list[str]) -> bool:
    """Whether every piece goes into one part behind a concatenation header."""
    encoding = encoding_of(texts)
    return all(bits(text, encoding) <= _BITS_PART - (1 if encoding == "gsm7" else 0) for text in texts)


def cut(text: str) -> list[str]:
    """Cut a text as a messaging app does, by the framework's own help."""
    if fits_alone(text):
        return [text]
    encoding, pieces = encoding_of([text]), [""]
    room = _BITS_PART - (1 if encoding == "gsm7" else 0)
    for character in text:
        if bits(pieces[-1] + character, encoding) > room:
            pieces.append("")
        pieces[-1] += character
    return pieces
