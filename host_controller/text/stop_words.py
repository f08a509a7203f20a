"""Does a reply ask for no more messages? A pure rule over tables of words, which gives its reasons.

Only whole words count: "nonstop" asks for nothing. The letters are compared without case, accents and width, and
without punctuation and what cannot be seen.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from host_controller.text.stop_tables import STOP_TABLES, StopTables


class StopVerdict(StrEnum):
    """What a reply asks for, and how sure that is."""

    CERTAIN = "certain"
    """The number must not be written to any more."""
    SUSPECTED = "suspected"
    """A person should look."""
    START = "start"
    """What the person refused before is welcome again."""
    NONE = "none"


class StopRule(StrEnum):
    """What led to the verdict."""

    ALONE = "alone"
    """The word, and nothing else but courtesies."""
    MESSAGES = "messages"
    """The word, and what names messages."""
    FIRST_LINE = "first_line"
    """The first line is such a word."""
    SHORT = "short"
    """The word comes first, with a few words behind it."""
    FIRST = "first"
    """The word comes first in a longer text."""
    INSIDE = "inside"
    """The word stands somewhere in the text."""
    NEGATED = "negated"
    """The word before it may turn it round."""
    CONTRADICTION = "contradiction"
    """It asks for both."""
    QUOTED = "quoted"
    """The text tells how to refuse, or is a quotation."""
    MISSPELT = "misspelt"
    """One letter is missing, wrong or out of place."""
    SIGN = "sign"
    """Nothing but a stop sign."""
    SENDER = "sender"
    """The sender is no telephone number."""
    NO_WORD = "no_word"


@dataclass(frozen=True)
class StopDecision:
    """A verdict and its evidence."""

    verdict: StopVerdict
    rule: StopRule
    word: str | None = None
    """The entry of the tables that it rests on, folded."""


class _Kind(StrEnum):
    STOP = "stop"
    SOFT = "soft"
    REVIEW = "review"
    WEAK = "weak"
    START = "start"
    OBJECT = "objects"
    NEGATOR = "negators"
    INSTRUCTION = "instructions"
    NEUTRAL = "neutral"
    COURTESY = "courtesies"
    MISSPELT = "misspelt"
    OTHER = "other"


@dataclass(frozen=True)
class _Item:
    kind: _Kind
    word: str
    start: int
    end: int


Phrase = tuple[str, ...]
_MOST_TOKENS_FOR_SHORT = 4
# "do not *ever* send *me any* texts".
_MOST_SKIPPED = 3
# Shorter words have too many neighbours that mean something else.
_SHORTEST_MISSPELT = 7
# Only the first words of a text are looked at for a misspelt one.
_MISSPELT_WITHIN = 8
_SIGNS = ("🛑", "⛔")
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
_TOKEN = re.compile(r"[^\W_]+")
_RUNS = re.compile(r"(.)\1{2,}")


def judge_stop(
    text: str, *, sender_is_msisdn: bool, brand_words: Collection[str] = (), tables: StopTables = STOP_TABLES
) -> StopDecision:
    """Judge one reply. A sender that is no telephone number (a name, a short code) asks for nothing."""
    if not sender_is_msisdn:
        return StopDecision(StopVerdict.NONE, StopRule.SENDER)
    lexicon = _lexicon(tables)
    brands = frozenset(phrase for phrase in map(_tokens, brand_words) if phrase)
    own, was_quoted = _own_lines(text, lexicon)
    lines = [tokens for tokens in map(lexicon.tokens, own) if tokens]
    tokens = lexicon.without_signature([token for line in lines for token in line])
    decision = _judge_items(lexicon.items(tokens, brands), is_question="?" in text)
    if decision.verdict is not StopVerdict.CERTAIN and len(lines) > 1:
        first = _judge_items(lexicon.items(lines[0], brands), is_question=False)
        if first.verdict is StopVerdict.CERTAIN and first.rule is not StopRule.SHORT:
            decision = StopDecision(StopVerdict.CERTAIN, StopRule.FIRST_LINE, first.word)
    if decision.verdict is StopVerdict.CERTAIN and was_quoted:
        return StopDecision(StopVerdict.SUSPECTED, StopRule.QUOTED, decision.word)
    if not tokens and any(sign in text for sign in _SIGNS):
        return StopDecision(StopVerdict.SUSPECTED, StopRule.SIGN)
    return decision


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


def _judge_items(found: Sequence[_Item], *, is_question: bool) -> StopDecision:
    items = [item for item in found if item.kind not in (_Kind.COURTESY, _Kind.NEUTRAL)]
    # What has nothing to do with it is still something else that was said.
    others = {_Kind.OTHER, _Kind.NEGATOR, _Kind.INSTRUCTION, _Kind.MISSPELT}
    says_more = any(item.kind in {*others, _Kind.NEUTRAL} for item in found)
    if not items:
        return StopDecision(StopVerdict.NONE, StopRule.NO_WORD)
    by_kind: dict[_Kind, _Item] = {}
    for item in items:
        by_kind.setdefault(item.kind, item)
    stop = by_kind.get(_Kind.STOP)
    start = by_kind.get(_Kind.START)
    if start and not says_more:
        refusal = stop or by_kind.get(_Kind.SOFT) or by_kind.get(_Kind.REVIEW)
        if refusal:
            return StopDecision(StopVerdict.SUSPECTED, StopRule.CONTRADICTION, refusal.word)
        return StopDecision(StopVerdict.START, StopRule.ALONE, start.word)
    if stop:
        return _judge_stop_word(items, stop, says_more, is_question)
    return _judge_other_words(items, by_kind, says_more)


def _judge_stop_word(items: Sequence[_Item], stop: _Item, says_more: bool, is_question: bool) -> StopDecision:
    at = items.index(stop)
    if at > 0 and items[at - 1].kind in (_Kind.NEGATOR, _Kind.REVIEW, _Kind.WEAK):
        return StopDecision(StopVerdict.SUSPECTED, StopRule.NEGATED, stop.word)
    if not says_more:
        rule = StopRule.ALONE if len(items) == 1 else StopRule.MESSAGES
        return StopDecision(StopVerdict.CERTAIN, rule, stop.word)
    if any(item.kind is _Kind.INSTRUCTION for item in items):
        return StopDecision(StopVerdict.SUSPECTED, StopRule.QUOTED, stop.word)
    if at > 0:
        return StopDecision(StopVerdict.SUSPECTED, StopRule.INSIDE, stop.word)
    if is_question or items[-1].end - stop.start > _MOST_TOKENS_FOR_SHORT:
        return StopDecision(StopVerdict.SUSPECTED, StopRule.FIRST, stop.word)
    return StopDecision(StopVerdict.CERTAIN, StopRule.SHORT, stop.word)


def _judge_other_words(items: Sequence[_Item], by_kind: dict[_Kind, _Item], says_more: bool) -> StopDecision:
    soft, review, weak = by_kind.get(_Kind.SOFT), by_kind.get(_Kind.REVIEW), by_kind.get(_Kind.WEAK)
    names_messages = _Kind.OBJECT in by_kind
    refusal = soft or review or weak
    if refusal and not says_more:
        if names_messages:
            return StopDecision(StopVerdict.CERTAIN, StopRule.MESSAGES, refusal.word)
        if soft:
            return StopDecision(StopVerdict.CERTAIN, StopRule.ALONE, soft.word)
        if review:
            return StopDecision(StopVerdict.SUSPECTED, StopRule.ALONE, review.word)
    first = items[0]
    if first.kind is _Kind.MISSPELT:
        return StopDecision(StopVerdict.SUSPECTED, StopRule.MISSPELT, first.word)
    if first.kind is _Kind.SOFT or (refusal and refusal is not soft and names_messages):
        return StopDecision(StopVerdict.SUSPECTED, StopRule.FIRST, (refusal or first).word)
    return StopDecision(StopVerdict.NONE, StopRule.NO_WORD)


class _Lexicon:
    """Tables made ready: phrases by their first word, the longest first."""

    def __init__(self, tables: StopTables) -> None:
        named = tables.by_name()
        self._quotes = _index({name: named[name] for name in ("quotes",)})
        self._signatures = _index({"signatures": named["signatures"]})
        self._neutral = _index({"neutral": named["neutral"]})
        # Of two tables that hold the same words, the first one here counts.
        kinds = (_Kind.STOP, _Kind.START, _Kind.SOFT, _Kind.REVIEW, _Kind.WEAK, _Kind.NEGATOR, _Kind.INSTRUCTION)
        self._words = _index({kind: named[kind] for kind in (*kinds, _Kind.OBJECT)})
        self._courtesies = _index({"courtesies": named["courtesies"]})
        self._skipped = {phrase[0] for found in self._courtesies.values() for phrase, _ in found if len(phrase) == 1}
        single = [phrase[0] for found in self._words.values() for phrase, _ in found if len(phrase) == 1]
        self._known = frozenset(single) | self._courtesies.keys()
        spelt = [(phrase, kind) for found in self._words.values() for phrase, kind in found]
        self._long_words = [
            phrase[0]
            for phrase, kind in spelt
            if kind == _Kind.STOP and len(phrase) == 1 and len(phrase[0]) >= _SHORTEST_MISSPELT
        ]

    def tokens(self, text: str) -> list[str]:
        """Cut a line into words; links are none, and letters apart from each other make one."""
        words = [word for word in text.split() if not _is_link(word)]
        found = [self._as_known(token) for token in _TOKEN.findall(fold(" ".join(words)))]
        return self._joined(found)

    def is_quote_header(self, line: str) -> bool:
        """Tell whether a line begins the original that somebody replies to."""
        stripped = line.strip()
        if not (stripped.endswith(":") or stripped.startswith(("-", "_", "*"))):
            return False
        tokens = _tokens(stripped)
        return any(_match(self._quotes, tokens, at, ()) for at in range(len(tokens)))

    def without_signature(self, tokens: list[str]) -> list[str]:
        """Cut off what a message ends with."""
        for at in range(1, len(tokens)):
            if _match(self._signatures, tokens, at, ()):
                return tokens[:at]
        return tokens

    def items(self, tokens: Sequence[str], brands: frozenset[Phrase]) -> list[_Item]:
        """Say what each word or phrase is."""
        brand_index = _index_phrases((brand, _Kind.OBJECT) for brand in brands)
        items: list[_Item] = []
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

    def _unknown(self, token: str, at: int) -> _Item:
        if at < _MISSPELT_WITHIN and len(token) + 1 >= _SHORTEST_MISSPELT:
            for word in self._long_words:
                if _is_one_edit(token, word):
                    return _Item(_Kind.MISSPELT, word, at, at + 1)
        return _Item(_Kind.OTHER, token, at, at + 1)

    def _as_known(self, token: str) -> str:
        """Give the known word that this one stands for: "stooop", "st0p", letters of another alphabet."""
        if token in self._known:
            return token
        shorter = _RUNS.sub(r"\1", token)
        for variant in (shorter, shorter.translate(_LOOKALIKES)):
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
def _lexicon(tables: StopTables) -> _Lexicon:
    return _Lexicon(tables)


def _index(tables: dict[str, tuple[str, ...]]) -> _Index:
    kinds: dict[Phrase, str] = {}
    for kind, entries in tables.items():
        for entry in entries:
            kinds.setdefault(_tokens(entry), kind)
    return _index_phrases((phrase, kind) for phrase, kind in kinds.items() if phrase)


def _index_phrases(phrases: Iterable[tuple[Phrase, str]]) -> _Index:
    index: _Index = {}
    for phrase, kind in phrases:
        index.setdefault(phrase[0], []).append((phrase, kind))
    for found in index.values():
        found.sort(key=lambda entry: -len(entry[0]))
    return index


def _match(index: _Index, tokens: Sequence[str], at: int, skipped: Collection[str]) -> _Item | None:
    for phrase, kind in index.get(tokens[at], ()):
        end = _phrase_end(phrase, tokens, at, skipped)
        if end is not None:
            return _Item(_Kind(kind) if kind in _KINDS else _Kind.OTHER, " ".join(phrase), at, end)
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


def _own_lines(text: str, lexicon: _Lexicon) -> tuple[list[str], bool]:
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


def _tokens(text: str) -> Phrase:
    return tuple(_TOKEN.findall(fold(text)))


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


_KINDS = frozenset(_Kind)
