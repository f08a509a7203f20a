"""The tables of STOP words made ready, and a reply cut into what each of its words is. Judges nothing."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from host_controller.text.folding import TOKEN, fold, spelt_plainly
from host_controller.text.stop_tables import StopTables


class Kind(StrEnum):
    """What a word says."""

    STOP = "stop"
    SOFT = "soft"
    REVIEW = "review"
    WEAK = "weak"
    START = "start"
    OBJECT = "objects"
    NEGATOR = "negators"
    INSTRUCTION = "instructions"
    COMPLAINT = "complaints"
    NEUTRAL = "neutral"
    COURTESY = "courtesies"
    MISSPELT = "misspelt"
    OTHER = "other"


@dataclass(frozen=True)
class Item:
    """A word or phrase of a reply."""

    kind: Kind
    word: str
    start: int
    end: int


Phrase = tuple[str, ...]
# "do not *ever* send *me any* texts".
_MOST_SKIPPED = 3
# Shorter words have too many neighbours that mean something else.
_SHORTEST_MISSPELT = 8
# Only the first words of a text are looked at for a misspelt one.
_MISSPELT_WITHIN = 8


class Lexicon:
    """Tables made ready: phrases by their first word, the longest first."""

    def __init__(self, tables: StopTables) -> None:
        named = tables.by_name()
        self._quotes = _index({name: named[name] for name in ("quotes",)})
        self._signatures = _index({"signatures": named["signatures"]})
        self._neutral = _index({"neutral": named["neutral"]})
        # Of two tables that hold the same words, the first one here counts.
        kinds = (
            Kind.STOP,
            Kind.START,
            Kind.SOFT,
            Kind.REVIEW,
            Kind.WEAK,
            Kind.NEGATOR,
            Kind.INSTRUCTION,
            Kind.COMPLAINT,
        )
        self._words = _index({kind: named[kind] for kind in (*kinds, Kind.OBJECT)})
        self._courtesies = _index({"courtesies": named["courtesies"]})
        self._skipped = {phrase[0] for found in self._courtesies.values() for phrase, _ in found if len(phrase) == 1}
        single = [phrase[0] for found in self._words.values() for phrase, _ in found if len(phrase) == 1]
        self._known = frozenset(single) | self._courtesies.keys()
        spelt = [(phrase, kind) for found in self._words.values() for phrase, kind in found]
        self._long_words = [
            phrase[0]
            for phrase, kind in spelt
            if kind == Kind.STOP and len(phrase) == 1 and len(phrase[0]) >= _SHORTEST_MISSPELT
        ]

    def tokens(self, text: str) -> list[str]:
        """Cut a line into words; links are none, and letters apart from each other make one."""
        words = [word for word in text.split() if not _is_link(word)]
        found = [self._as_known(token) for token in TOKEN.findall(fold(" ".join(words)))]
        return self._joined(found)

    def is_quote_header(self, line: str) -> bool:
        """Tell whether a line begins the original that somebody replies to."""
        stripped = line.strip()
        if not (stripped.endswith(":") or stripped.startswith(("-", "_", "*"))):
            return False
        tokens = words_of(stripped)
        return any(_match(self._quotes, tokens, at, ()) for at in range(len(tokens)))

    def without_signature(self, tokens: list[str]) -> list[str]:
        """Cut off what a message ends with."""
        for at in range(1, len(tokens)):
            if _match(self._signatures, tokens, at, ()):
                return tokens[:at]
        return tokens

    def items(self, tokens: Sequence[str], brands: frozenset[Phrase]) -> list[Item]:
        """Say what each word or phrase is."""
        brand_index = _index_phrases((brand, Kind.OBJECT) for brand in brands)
        items: list[Item] = []
        at = 0
        while at < len(tokens):
            found = (
                _match(self._neutral, tokens, at, ())
                or _match(brand_index, tokens, at, ())
                or _match(self._words, tokens, at, self._skipped)
                or _match(self._courtesies, tokens, at, ())
            )
            if found is None:
                found = self._unknown(tokens[at], at)
            items.append(found)
            at = found.end
        return items

    def _unknown(self, token: str, at: int) -> Item:
        if at < _MISSPELT_WITHIN and len(token) + 1 >= _SHORTEST_MISSPELT:
            for word in self._long_words:
                if _is_one_edit(token, word):
                    return Item(Kind.MISSPELT, word, at, at + 1)
        return Item(Kind.OTHER, token, at, at + 1)

    def _as_known(self, token: str) -> str:
        """Give the known word that this one stands for: "stooop", "st0p", letters of another alphabet."""
        if token in self._known:
            return token
        for variant in spelt_plainly(token):
            if variant in self._known:
                return variant
        return token

    def _joined(self, tokens: list[str]) -> list[str]:
        joined: list[str] = []
        run: list[str] = []
        for token in [*tokens, ""]:
            if len(token) == 1:
                run.append(token)
                continue
            word = "".join(run)
            # "s t o p" is a word, "a z" are two.
            joined.extend([self._as_known(word)] if len(run) > 2 and self._as_known(word) in self._known else run)
            run = []
            if token:
                joined.append(token)
        return joined


_Index = dict[str, list[tuple[Phrase, str]]]


@functools.lru_cache(maxsize=8)
def lexicon_of(tables: StopTables) -> Lexicon:
    """Give the tables made ready; the last few are kept."""
    return Lexicon(tables)


def _index(tables: dict[str, tuple[str, ...]]) -> _Index:
    kinds: dict[Phrase, str] = {}
    for kind, entries in tables.items():
        for entry in entries:
            kinds.setdefault(words_of(entry), kind)
    return _index_phrases((phrase, kind) for phrase, kind in kinds.items() if phrase)


def _index_phrases(phrases: Iterable[tuple[Phrase, str]]) -> _Index:
    index: _Index = {}
    for phrase, kind in phrases:
        index.setdefault(phrase[0], []).append((phrase, kind))
    for found in index.values():
        found.sort(key=lambda entry: -len(entry[0]))
    return index


def _match(index: _Index, tokens: Sequence[str], at: int, skipped: Collection[str]) -> Item | None:
    for phrase, kind in index.get(tokens[at], ()):
        end = _phrase_end(phrase, tokens, at, skipped)
        if end is not None:
            return Item(Kind(kind) if kind in _KINDS else Kind.OTHER, " ".join(phrase), at, end)
    return None


def _phrase_end(phrase: Phrase, tokens: Sequence[str], at: int, skipped: Collection[str]) -> int | None:
    at += 1
    for word in phrase[1:]:
        left = _MOST_SKIPPED
        while at < len(tokens) and tokens[at] != word and tokens[at] in skipped and left:
            at, left = at + 1, left - 1
        if at >= len(tokens) or tokens[at] != word:
            return None
        at += 1
    return at


def own_lines(text: str, lexicon: Lexicon) -> tuple[list[str], bool]:
    """Give the lines that the sender wrote; True beside them where nothing but a quotation is there."""
    own: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if own and (stripped == "--" or lexicon.is_quote_header(stripped)):
            break
        if stripped and not stripped.startswith((">", "|")):
            own.append(line)
    starts_quoted = bool(own) and lexicon.is_quote_header(own[0])
    return (own, starts_quoted) if own else (text.splitlines(), True)


def words_of(text: str) -> Phrase:
    """Give the words of a text as they are compared."""
    return tuple(TOKEN.findall(fold(text)))


def _is_link(word: str) -> bool:
    return "://" in word or word[:4].casefold() == "www." or "@" in word[1:-1]


def _is_one_edit(one: str, other: str) -> bool:
    """Tell whether a letter more, less, wrong or swapped with its neighbour is all that differs."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    first = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    if first is None:
        return True
    rest, other_rest = one[first:], other[first:]
    swapped = rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:]
    return swapped or rest[1:] == other_rest[1:] or rest[1:] == other_rest or rest == other_rest[1:]


_KINDS = frozenset(Kind)
