"""Texts as Odoo's module `sms_gateway` has to be told them, so that it makes of them what they mean. Pure.

The module blacklists the sender of any text with the letters "stop" in it, of whatever word, and fails where the sender
is a company's name; it drops what has the sender and text of another one. A character that nobody sees, U+2060 WORD
JOINER, keeps it from both.
"""

from __future__ import annotations

JOINER = "\N{WORD JOINER}"
_STOP = "STOP"


def has_stop(text: str) -> bool:
    """Tell whether the module would take a text for a STOP."""
    return _STOP in text.upper()


def disarm(text: str) -> str:
    """Give a text that reads the same and in which the module finds no STOP."""
    parts: list[str] = []
    tail = ""
    for character in text:
        # One character may stand for two letters, as the ligature of "st" does.
        if has_stop(tail + character):
            parts.append(JOINER)
            tail = ""
        parts.append(character)
        tail = (tail + character)[-len(_STOP) :]
    return "".join(parts)


def plain(text: str) -> str:
    """Give a text without the joiners at its end, which may be ours."""
    return text.rstrip(JOINER)


def as_copy(text: str, copies: int) -> str:
    """Give a text that `copies` like it came before as one that the module has not seen; it is never empty."""
    return text + JOINER * copies or JOINER
