"""Texts as they are compared: without case, accents, width, and what cannot be seen."""

from __future__ import annotations

import functools
import re
import unicodedata

_APOSTROPHES = "'’‘`´ʼ"
# Letters that Unicode does not take apart; boxed and circled ones of flags and stickers.
_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "ı": "i"}
    | {apostrophe: "" for apostrophe in _APOSTROPHES}
    | {chr(first + n): chr(ord("a") + n) for first in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)}
)
# Invisible, although letters by their category.
_FILLERS = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_DROPPED = frozenset({"Cf", "Mn", "Me", "Cc", "Cs"})
# Letters of other scripts, and digits, that are mistaken for Latin ones.
_LOOKALIKES = str.maketrans("асеорхуѕіјһԁԛԝтмнкв0οτρςσ", "aceopxysijhdqwtmhkbootpss")
TOKEN = re.compile(r"[^\W_]+")
_RUNS = re.compile(r"(.)\1{2,}")


def fold(text: str) -> str:
    """Give a text as it is compared: without case, accents, width, apostrophes and what cannot be seen."""
    return "".join(map(_fold_character, text))


@functools.lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    """Fold one character. All at once, a long run of accents would take Unicode's sorting quadratic time."""
    if character.isspace():
        return " "
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    visible = (c for c in decomposed if unicodedata.category(c) not in _DROPPED and c not in _FILLERS)
    return "".join(visible).translate(_LETTERS).casefold()


def spelt_plainly(token: str) -> tuple[str, str]:
    """Give a folded word without drawn-out letters, and with Latin ones for those that look like them."""
    shorter = _RUNS.sub(r"\1", token)
    return shorter, shorter.translate(_LOOKALIKES)
