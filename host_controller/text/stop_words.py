"""Does a reply ask for no more messages? A pure rule over a table of words.

Only whole words count: "nonstop" asks for nothing. The letters are compared without case, accents and width, and
without punctuation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from enum import StrEnum


class StopVerdict(StrEnum):
    """How sure it is."""

    CERTAIN = "certain"
    """The number must not be written to any more."""
    SUSPECTED = "suspected"
    """A person should look."""
    NONE = "none"


# By language, written as people type them; a word may consist of several.
KEYWORDS = {
    "en": ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "opt out"),
    "cs, sk": (
        "odhlásit",
        "odhlas",
        "odhlášení",
        "odhlaste",
        "neposílat",
        "neposílejte",
        "konec",
        "zrušit",
        "odhlásiť sa",
        "odhlásit se",
    ),
    "de": ("stopp", "abmelden"),
    "pl": ("wypisz", "rezygnuję"),
    "hu": ("leiratkozás",),
    "fr": ("arrêt", "désabonner"),
    "es, it": ("baja", "alto", "cancella"),
    "uk, ru": ("стоп", "відписати", "отписаться", "vidpysaty", "otpisatsya"),
}
# What may stand after the word without making it less clear.
_POLITE_TAILS = ("prosím", "prosím vás", "please", "sms", "pro odhlášení", "děkuji", "díky", "thanks")
_LETTERS_WITHOUT_MARKS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss"})
_MOST_TOKENS_FOR_CERTAIN = 4


def judge_stop(text: str, *, sender_is_msisdn: bool, brand_words: Collection[str] = ()) -> StopVerdict:
    """Judge one reply. A sender that is no telephone number (a name, a short code) asks for nothing."""
    tokens = _tokens(text)
    if not sender_is_msisdn or not tokens:
        return StopVerdict.NONE
    if _is_keyword(tokens) or _is_keyword(_without_tail(tokens, brand_words)):
        return StopVerdict.CERTAIN
    if any(tokens[: len(words)] == words for words in _KEYWORD_TOKENS):
        return StopVerdict.CERTAIN if len(tokens) <= _MOST_TOKENS_FOR_CERTAIN else StopVerdict.SUSPECTED
    return StopVerdict.SUSPECTED if _STOP in tokens else StopVerdict.NONE


def _tokens(text: str) -> tuple[str, ...]:
    """Fold a text: compatibility forms, accents, case; then its runs of letters and digits."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(character for character in folded if not unicodedata.combining(character))
    visible = "".join(character for character in kept if unicodedata.category(character) != "Cf")
    return tuple(re.findall(r"[^\W_]+", visible.translate(_LETTERS_WITHOUT_MARKS)))


def _without_tail(tokens: tuple[str, ...], brand_words: Collection[str]) -> tuple[str, ...]:
    for tail in (*_POLITE_TAIL_TOKENS, *map(_tokens, brand_words)):
        if tail and tokens[-len(tail) :] == tail:
            return tokens[: -len(tail)]
    return tokens


def _is_keyword(tokens: tuple[str, ...]) -> bool:
    return tokens in _KEYWORD_TOKENS


_STOP = "stop"
_KEYWORD_TOKENS = frozenset(_tokens(word) for words in KEYWORDS.values() for word in words)
_POLITE_TAIL_TOKENS = tuple(sorted((_tokens(tail) for tail in _POLITE_TAILS), key=len, reverse=True))
