"""What the STOP rule makes of replies that were written and labelled without looking at its tables."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from host_controller.text.stop_words import StopVerdict, judge_stop

CORPUS = Path(__file__).parents[1] / "corpus" / "stop_replies.csv"
CERTAIN, SUSPECTED, START, NONE = StopVerdict.CERTAIN, StopVerdict.SUSPECTED, StopVerdict.START, StopVerdict.NONE


@dataclass(frozen=True)
class Reply:
    language: str
    text: str
    expected: StopVerdict
    also: StopVerdict | None
    verdict: StopVerdict

    @property
    def tolerated(self) -> StopVerdict:
        """The label, or the other one that a doubtful row accepts, if that is what came out."""
        return self.verdict if self.verdict == self.also else self.expected


@pytest.fixture(scope="module")
def replies() -> list[Reply]:
    with CORPUS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    found = []
    for row in rows:
        also = re.search(r"also (\w+)$", row["note"])
        verdict = judge_stop(row["text"], sender_is_msisdn=True).verdict
        label = StopVerdict(row["expected"])
        found.append(Reply(row["language"], row["text"], label, StopVerdict(also[1]) if also else None, verdict))
    return found


def rates(replies, verdict, label) -> tuple[float, float]:
    """Give (precision, recall) of a verdict."""
    hits = sum(reply.verdict is verdict and label(reply) is verdict for reply in replies)
    given = sum(reply.verdict is verdict for reply in replies)
    wanted = sum(label(reply) is verdict for reply in replies)
    return hits / given, hits / wanted


def test_precision_and_recall(replies):
    """Printed for people (`pytest -rP`); the floors are a little below what was reached."""
    strict, tolerant = {}, {}
    for name, label, rated in (
        ("strict", lambda reply: reply.expected, strict),
        ("tolerant", lambda reply: reply.tolerated, tolerant),
    ):
        for verdict in (CERTAIN, SUSPECTED, START):
            rated[verdict] = rates(replies, verdict, label)
            print(f"{name:8} {verdict:9} precision {rated[verdict][0]:.1%} recall {rated[verdict][1]:.1%}")
        for language in sorted({reply.language for reply in replies}):
            own = [reply for reply in replies if reply.language == language]
            precision, recall = rates(own, CERTAIN, label)
            print(f"{name:8} certain in {language}: precision {precision:.1%} recall {recall:.1%} of {len(own)}")
    assert strict[CERTAIN][0] >= 0.97
    assert strict[CERTAIN][1] >= 0.85
    assert tolerant[CERTAIN][0] >= 0.98
    assert tolerant[CERTAIN][1] >= 0.95
    assert tolerant[START] == (1.0, 1.0)


def test_a_refusal_is_hardly_ever_passed_over_in_silence(replies):
    """Of those that refuse, all but a few are obeyed or shown to a person."""
    silent = [reply.text for reply in replies if reply.expected is CERTAIN and reply.verdict in (NONE, START)]
    wanted = sum(reply.expected is CERTAIN for reply in replies)
    print(f"{len(silent)} of {wanted} refusals were neither obeyed nor shown: {silent}")
    assert len(silent) <= wanted / 50


def test_hardly_anybody_is_opted_out_who_asks_for_something_else(replies):
    wrong = Counter(
        reply.language for reply in replies if reply.tolerated in (NONE, START) and reply.verdict is CERTAIN
    )
    print(f"opted out against their wish: {dict(wrong)}")
    assert wrong.total() <= len(replies) / 300
