"""The form of tests/corpus/stop_replies.csv; what the STOP rule makes of it is tested elsewhere."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[1] / "corpus" / "stop_replies.csv"
COLUMNS = ["language", "text", "expected", "note"]
LABELS = {"certain": 35, "suspected": 15, "none": 45, "start": 5}  # wanted shares in per cent
LANGUAGES = ["cs", "sk", "en", "de", "pl"]


@pytest.fixture(scope="module")
def table() -> list[list[str]]:
    with CORPUS.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


@pytest.fixture(scope="module")
def rows(table) -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, line, strict=True)) for line in table[1:]]


def test_the_columns(table):
    assert table[0] == COLUMNS
    assert [line for line in table if len(line) != len(COLUMNS)] == []


def test_every_label_and_language_is_known(rows):
    assert [row for row in rows if row["expected"] not in LABELS] == []
    assert [row for row in rows if row["language"] not in [*LANGUAGES, "und"]] == []


def test_no_text_is_empty(rows):
    assert [row for row in rows if not row["text"].strip()] == []


def test_enough_rows(rows):
    assert len(rows) >= 450
    count = Counter(row["language"] for row in rows)
    assert {language: count[language] for language in LANGUAGES if count[language] < 80} == {}


def test_every_language_has_every_label(rows):
    found = {(row["language"], row["expected"]) for row in rows}
    assert {(language, label) for language in LANGUAGES for label in LABELS} - found == set()


def test_the_labels_are_in_balance(rows):
    count = Counter(row["expected"] for row in rows)
    shares = {label: 100 * count[label] / len(rows) for label in LABELS}
    assert {label: share for label, share in shares.items() if abs(share - LABELS[label]) > 5} == {}


def test_no_text_stands_there_twice(rows):
    count = Counter(" ".join(row["text"].casefold().split()) for row in rows)
    assert [text for text, times in count.items() if times > 1] == []


def test_the_same_letters_have_the_same_label(rows):
    labels: dict[str, set[str]] = {}
    for row in rows:
        text = unicodedata.normalize("NFKD", row["text"]).casefold()
        letters = "".join(
            char if char.isalnum() else " " for char in text if unicodedata.category(char) not in ("Mn", "Cf")
        )
        if letters.strip():
            labels.setdefault(" ".join(letters.split()), set()).add(row["expected"])
    assert {text: found for text, found in labels.items() if len(found) > 1} == {}


def test_everything_is_nfc():
    text = CORPUS.read_bytes().decode("utf-8")
    assert unicodedata.is_normalized("NFC", text)
    assert "\r" not in text
    assert not text.startswith("\ufeff")


def test_a_second_label_is_another_known_one(rows):
    """A doubtful row says so at the end of its note: ``also <label>``."""
    for row in rows:
        if re.search(r"\balso\b", row["note"]):
            found = re.search(r"(?:^|; )also (\w+)$", row["note"])
            assert found, row
            assert found[1] in LABELS, row
            assert found[1] != row["expected"], row
