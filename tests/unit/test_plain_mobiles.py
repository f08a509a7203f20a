"""The short way with numbers says nothing that the long way does not say."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from host_controller.errors import ControllerError
from host_controller.messaging.submit import Checked, Draft, check
from host_controller.rules.destinations import destination_refusal, short_number_refusal
from host_controller.rules.plain_mobiles import is_plain_mobile
from host_controller.settings import MessageSettings
from host_controller.text.msisdn import parse_msisdn

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
EXAMPLES = [
    (region, phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    for region in REGIONS
    for kind in PhoneNumberType.values()
    if (number := phonenumbers.example_number_for_type(region, kind)) is not None
]


def the_long_way(raw, home_region, allowed):
    """Give the number in E.164, or None where it is refused."""
    try:
        msisdn = parse_msisdn(raw, home_region)
    except ControllerError:
        return None
    if short_number_refusal(raw, home_region) is not None or destination_refusal(msisdn, allowed) is not None:
        return None
    return msisdn.e164


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("+420777123456", True),
        ("+420603111222", True),
        ("777123456", False),
        ("+420 777 123 456", False),
        ("+420777123456 ", False),
        ("+420777123456\n", False),
        ("+42077712345", False),
        ("+4207771234567", False),
        ("+420900123456", False),
        ("+420800123456", False),
        ("+420222123456", False),
        ("+421905123456", False),
        ("+420٧٧٧123456", False),
        ("+420112", False),
        ("", False),
    ],
)
def test_czech_numbers(raw, plain):
    assert is_plain_mobile(raw, ("CZ",)) is plain


def test_it_is_of_use_in_most_countries():
    """A rule that always says no would also agree with the long way."""
    mobiles = {
        region: phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for region in REGIONS
        if (number := phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)) is not None
    }
    found = {region for region, raw in mobiles.items() if is_plain_mobile(raw, (region,))}
    assert found >= {"CZ", "SK", "DE", "PL", "AT", "HU", "FR", "UA"}
    assert len(found) > 150
    # Several countries in one code: the long way tells them apart.
    assert not {"US", "CA", "GB", "JE"} & found


@pytest.mark.parametrize("region", REGIONS)
def test_every_example_of_a_country(region):
    for _, raw in (pair for pair in EXAMPLES if pair[0] == region):
        if is_plain_mobile(raw, (region,)):
            assert the_long_way(raw, "CZ", (region,)) == raw


@given(st.sampled_from(EXAMPLES), st.data())
def test_numbers_like_those_of_every_country(example, data):
    region, raw = example
    digits = list(raw[1:])
    for place in data.draw(st.lists(st.integers(1, len(digits) - 1), max_size=4)):
        digits[place] = data.draw(st.sampled_from("0123456789"))
    tail = data.draw(st.sampled_from(["", "", "", "0", "77"]))
    changed = "+" + "".join(digits[: data.draw(st.sampled_from([len(digits), len(digits), len(digits) - 1]))]) + tail
    home = data.draw(st.sampled_from(["CZ", region]))
    if is_plain_mobile(changed, (region,)):
        assert the_long_way(changed, home, (region,)) == changed


def test_a_draft_is_checked_alike_by_both_ways():
    settings = MessageSettings()
    both = [check(Draft(raw, "Ahoj"), settings) for raw in ("+420777123456", "+420 777 123 456")]
    assert all(isinstance(item, Checked) for item in both)
    assert both[0].msisdn == both[1].msisdn
