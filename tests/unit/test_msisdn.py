"""Numbers: read as people write them, refused with a reason, masked everywhere."""

from __future__ import annotations

import pytest

from host_controller.errors import InvalidMsisdnError
from host_controller.rules.destinations import destination_refusal
from host_controller.text.msisdn import Msisdn, parse_msisdn, parse_sender


@pytest.mark.parametrize("raw", ["+420777123456", "777 123 456", "00420 777 123 456", "(777) 123-456", "777123456"])
def test_one_number_in_many_dresses(raw):
    assert parse_msisdn(raw, "CZ") == Msisdn("+420777123456")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "not a telephone number"),
        ("Alza", "not a telephone number"),
        ("+", "not a telephone number"),
        ("77712345", "too short|no such number"),
        ("+42077712345678901", "too long"),
        ("+999123456789", "not a telephone number|country code"),
        ("100123456", "no such number"),
        ("777123456 ext. 5", "extension"),
    ],
)
def test_refused_with_a_reason(raw, reason):
    with pytest.raises(InvalidMsisdnError, match=reason):
        parse_msisdn(raw, "CZ")


def test_masked_in_every_print():
    number = Msisdn("+420777123456")
    assert str(number) == repr(number) == f"{number}" == "+420•••456"


@pytest.mark.parametrize(
    ("e164", "reason"),
    [
        ("+420777123456", None),
        ("+421905123456", "is in SK, allowed is CZ"),
        ("+420906123456", "premium-rate"),
        ("+420800123456", "toll-free"),
        ("+12025550123", "is in US"),
    ],
)
def test_destinations(e164, reason):
    refusal = destination_refusal(Msisdn(e164), ("CZ",))
    assert (refusal is None) == (reason is None)
    assert reason is None or (reason in refusal and e164 not in refusal)


def test_allowed_countries():
    assert destination_refusal(Msisdn("+421905123456"), ("CZ", "SK")) is None


@pytest.mark.parametrize(
    ("raw", "e164"),
    [
        ("777 123 456", "+420777123456"),
        ("+420777123456", "+420777123456"),
        ("+420999888777", "+420999888777"),  # in no numbering plan that we know
        ("421905123456", "+421905123456"),  # as some networks give it
        ("491701234567", "+491701234567"),
        ("999888777666", None),
        ("999", None),
        ("90706", None),
        ("Vodafone", None),
        ("T-Mobile", None),
        ("1800FLOWERS", None),
        ("+1", None),
        ("٧٧٧١٢٣٤٥٦", None),
    ],
)
def test_who_has_written(raw, e164):
    sender = parse_sender(raw, "CZ")
    assert (sender.e164 if sender else None) == e164
