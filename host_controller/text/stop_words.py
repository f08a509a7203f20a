"""Does a reply ask for no more messages? A pure rule over tables of words, which gives its reasons.

Only whole words count: "nonstop" asks for nothing. The letters are compared without case, accents and width, and
without punctuation and what cannot be seen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from host_controller.text.stop_lexicon import Item, Kind, lexicon_of, own_lines, words_of
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
    COMPLAINT = "complaint"
    """It complains, threatens, or is from somebody whom nobody meant."""
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


_MOST_TOKENS_FOR_SHORT = 4
# Of many languages, and so of none: among many courtesies it may be part of something that was said with them.
_BARE = ("stop", "stopp")
_SIGNS = ("🛑", "⛔")


def judge_stop(
    text: str, *, sender_is_msisdn: bool, brand_words: Collection[str] = (), tables: StopTables = STOP_TABLES
) -> StopDecision:
    """Judge one reply. A sender that is no telephone number (a name, a short code) asks for nothing."""
    if not sender_is_msisdn:
        return StopDecision(StopVerdict.NONE, StopRule.SENDER)
    lexicon = lexicon_of(tables)
    brands = frozenset(phrase for phrase in map(words_of, brand_words) if phrase)
    own, was_quoted = own_lines(text, lexicon)
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


def _judge_items(found: Sequence[Item], *, is_question: bool) -> StopDecision:
    items = [item for item in found if item.kind not in (Kind.COURTESY, Kind.NEUTRAL)]
    # What has nothing to do with it is still something else that was said.
    others = {Kind.OTHER, Kind.NEGATOR, Kind.INSTRUCTION, Kind.MISSPELT}
    says_more = any(item.kind in {*others, Kind.NEUTRAL} for item in found)
    if not items:
        return StopDecision(StopVerdict.NONE, StopRule.NO_WORD)
    by_kind: dict[Kind, Item] = {}
    for item in items:
        by_kind.setdefault(item.kind, item)
    stop = by_kind.get(Kind.STOP)
    start = by_kind.get(Kind.START)
    if start and not says_more:
        refusal = stop or by_kind.get(Kind.SOFT) or by_kind.get(Kind.REVIEW)
        if refusal:
            return StopDecision(StopVerdict.SUSPECTED, StopRule.CONTRADICTION, refusal.word)
        return StopDecision(StopVerdict.START, StopRule.ALONE, start.word)
    if stop:
        if (
            not says_more
            and len(items) == 1
            and stop.word in _BARE
            and stop.start > 0
            and found[-1].end > _MOST_TOKENS_FOR_SHORT
        ):
            return StopDecision(StopVerdict.SUSPECTED, StopRule.INSIDE, stop.word)
        return _judge_stop_word(items, stop, says_more, is_question)
    return _judge_other_words(items, by_kind, says_more, is_question)


def _judge_stop_word(items: Sequence[Item], stop: Item, says_more: bool, is_question: bool) -> StopDecision:
    at = items.index(stop)
    if at > 0 and items[at - 1].kind in (Kind.NEGATOR, Kind.REVIEW, Kind.WEAK):
        return StopDecision(StopVerdict.SUSPECTED, StopRule.NEGATED, stop.word)
    if not says_more:
        rule = StopRule.ALONE if len(items) == 1 else StopRule.MESSAGES
        return StopDecision(StopVerdict.CERTAIN, rule, stop.word)
    if any(item.kind is Kind.INSTRUCTION for item in items):
        return StopDecision(StopVerdict.SUSPECTED, StopRule.QUOTED, stop.word)
    if at > 0:
        return StopDecision(StopVerdict.SUSPECTED, StopRule.INSIDE, stop.word)
    if is_question or items[-1].end - stop.start > _MOST_TOKENS_FOR_SHORT:
        return StopDecision(StopVerdict.SUSPECTED, StopRule.FIRST, stop.word)
    return StopDecision(StopVerdict.CERTAIN, StopRule.SHORT, stop.word)


def _judge_other_words(
    items: Sequence[Item], by_kind: dict[Kind, Item], says_more: bool, is_question: bool
) -> StopDecision:
    soft, review, weak = by_kind.get(Kind.SOFT), by_kind.get(Kind.REVIEW), by_kind.get(Kind.WEAK)
    names_messages = Kind.OBJECT in by_kind
    refusal = soft or review or weak
    if refusal and not says_more:
        if names_messages:
            # "No more offers?" may be a disappointment.
            verdict = StopVerdict.SUSPECTED if is_question else StopVerdict.CERTAIN
            return StopDecision(verdict, StopRule.MESSAGES, refusal.word)
        if soft:
            return StopDecision(StopVerdict.CERTAIN, StopRule.ALONE, soft.word)
        if review:
            return StopDecision(StopVerdict.SUSPECTED, StopRule.ALONE, review.word)
    first = items[0]
    if first.kind is Kind.MISSPELT:
        return StopDecision(StopVerdict.SUSPECTED, StopRule.MISSPELT, first.word)
    if complaint := by_kind.get(Kind.COMPLAINT):
        return StopDecision(StopVerdict.SUSPECTED, StopRule.COMPLAINT, complaint.word)
    if first.kind is Kind.SOFT or (refusal and refusal is not soft and names_messages):
        return StopDecision(StopVerdict.SUSPECTED, StopRule.FIRST, (refusal or first).word)
    return StopDecision(StopVerdict.NONE, StopRule.NO_WORD)
