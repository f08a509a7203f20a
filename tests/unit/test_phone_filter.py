"""What a person may write into a phone's filter."""

from __future__ import annotations

import pytest

from host_controller.errors import InvalidFilterError
from host_controller.fleet.phone_filter import read_phone_filter
from host_controller.rules.recipient_filter import EVERYBODY, is_match


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[["class", "=", "vip"]]', "'vip' matches nobody; write one of otp, transactional, marketing"),
        ('[["country", "=", "Slovakia"]]', "two letters like CZ"),
        ('["!", ["country", "in", ["CZ", "sk"]]]', "'sk'"),
        ('[["parts", "<", "two"]]', "a number like 2"),
        ('[["parts", "=", true]]', "a number like 2"),
        ('["|", ["number", "=like", "+420%"], ["class", "not in", ["otp", 1]]]', "1 matches nobody"),
        ('[["operator", "=", "O2"]]', "there is no field 'operator'"),
    ],
)
def test_what_can_match_nobody_is_refused(text, words):
    with pytest.raises(InvalidFilterError, match=words):
        read_phone_filter(text)


def test_what_can_match_is_read():
    node = read_phone_filter('["|", ["class", "=", "otp"], ["country", "in", ["CZ", "SK"]], ["parts", "<=", 2]]')
    assert is_match(node, {"class": "marketing", "country": "SK", "parts": 2, "number": "+421900000000"})
    assert read_phone_filter("[]") == EVERYBODY
    assert read_phone_filter('[["country", "ilike", "c"]]') != EVERYBODY
