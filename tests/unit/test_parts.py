"""Cutting into parts, by hand-counted cases and against an oracle that is written differently."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_controller.text.parts import Encoding, count_parts, cut_into_parts

FAMILY = "👨‍👩‍👧‍👦"  # four emoji and three joiners: 11 code units, one grapheme
FLAG = "🇨🇿"


@pytest.mark.parametrize(
    ("text", "encoding", "count"),
    [
        ("Ahoj, prijdte zitra v 9:00", Encoding.GSM7, 1),
        ("a" * 160, Encoding.GSM7, 1),
        ("a" * 161, Encoding.GSM7, 2),
        ("a" * 306, Encoding.GSM7, 2),
        ("a" * 307, Encoding.GSM7, 3),
        ("€" * 80, Encoding.GSM7, 1),
        ("€" * 81, Encoding.GSM7, 2),
        ("[x]\n{y}^~|\\\f€", Encoding.GSM7, 1),
        ("Příliš žluťoučký kůň", Encoding.UCS2, 1),
        ("ř" * 70, Encoding.UCS2, 1),
        ("ř" * 71, Encoding.UCS2, 2),
        ("ř" * 134, Encoding.UCS2, 2),
        ("ř" * 135, Encoding.UCS2, 3),
        ("😀" * 35, Encoding.UCS2, 1),
        ("😀" * 36, Encoding.UCS2, 2),
        ("\t", Encoding.UCS2, 1),
        ("ç", Encoding.UCS2, 1),
        ("Ç", Encoding.GSM7, 1),
        ("\x1b", Encoding.UCS2, 1),
        ("ΔΦΓΛΩΠΨΣΘΞ", Encoding.GSM7, 1),
        ("ΑΒΕ", Encoding.UCS2, 1),
        ("non\u00a0breaking", Encoding.UCS2, 1),
    ],
)
def test_counts_as_on_a_phone(text, encoding, count):
    parts = cut_into_parts(text)
    assert (parts.encoding, parts.count) == (encoding, count)
    assert "".join(parts.texts) == text


def test_an_extension_character_is_never_split():
    text = "a" * 152 + "€" + "b" * 10
    assert [len(part) for part in cut_into_parts(text).texts] == [152, 11]


@pytest.mark.parametrize("cluster", [FAMILY, FLAG, "e\u0301", "👍🏽"])
def test_a_grapheme_is_never_split(cluster):
    text = "ř" * 66 + cluster + "ř" * 10
    assert cut_into_parts(text).texts == ("ř" * 66, cluster + "ř" * 10)


def test_a_grapheme_longer_than_a_part_is_cut_at_a_code_point():
    text = "ř" + "\u0301" * 100
    parts = cut_into_parts(text).texts
    assert [len(part) for part in parts] == [67, 34]


def septets(character: str) -> int | None:
    """Count by what a character is, not by a table of the whole alphabet."""
    if character in "^{}[]~|\\€\f":
        return 2
    if character in "\n\r" or (" " <= character <= "z" and character not in "`"):
        return 1
    name = unicodedata.name(character, "")
    if character in "£¥èéùìòÇØøÅåÆæßÉ¤¡ÄÖÑÜ§¿äöñüà" or (
        name.startswith("GREEK CAPITAL LETTER ")
        and name.split()[-1] in ["DELTA", "PHI", "GAMMA", "LAMDA", "OMEGA", "PI", "PSI", "SIGMA", "THETA", "XI"]
        and len(name.split()) == 4
    ):
        return 1
    return None


@given(
    st.text(alphabet=st.one_of(st.sampled_from("ab €[]{}ěščÇç\n\r\t@_^"), st.characters(codec="utf-8")), max_size=400)
)
def test_every_part_fits_and_nothing_is_lost(text):
    parts = cut_into_parts(text)
    assert "".join(parts.texts) == text
    costs = [septets(character) for character in text]
    if None in costs:
        assert parts.encoding is Encoding.UCS2
        size, single, many = (lambda part: len(part.encode("utf-16-le")) // 2), 70, 67
    else:
        assert parts.encoding is Encoding.GSM7
        size, single, many = (lambda part: sum(septets(c) for c in part)), 160, 153
    assert (len(parts.texts) == 1) == (size(text) <= single)
    if len(parts.texts) > 1:
        assert all(0 < size(part) <= many for part in parts.texts)
        # No cut is earlier than its neighbour's first grapheme demands: at most one grapheme is carried over.
        assert all(size(a) + size(b) > many for a, b in zip(parts.texts, parts.texts[1:], strict=False))


@given(st.text(alphabet="ab€", min_size=1, max_size=1000))
def test_gsm_parts_are_as_full_as_they_can_be(text):
    if sum(septets(c) for c in text) <= 160:
        return
    expected, left = 1, 153
    for cost in map(septets, text):
        if cost > left:
            expected, left = expected + 1, 153
        left -= cost
    assert count_parts(text) == expected
