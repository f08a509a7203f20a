"""Texts: what no SMS can carry is refused; what can is masked in print."""

from __future__ import annotations

import pytest

from host_controller.errors import InvalidTextError
from host_controller.text.sms_text import parse_sms_text


@pytest.mark.parametrize("raw", ["", "  \n\t", "a\0b", "half \ud83d"])
def test_refused(raw):
    with pytest.raises(InvalidTextError):
        parse_sms_text(raw)


def test_masked_and_kept():
    text = parse_sms_text("Kód: 1234")
    assert text.reveal() == "Kód: 1234"
    assert str(text) == repr(text) == "<text, 9 characters>"
