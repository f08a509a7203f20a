"""Where the rack may write to: countries that were allowed, and no number that costs extra. Pure."""

from __future__ import annotations

from collections.abc import Collection

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType, shortnumberinfo

from host_controller.text.msisdn import Msisdn

_REFUSED_TYPES = {
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.TOLL_FREE: "a toll-free number",
    PhoneNumberType.UAN: "a company access number",
    PhoneNumberType.VOICEMAIL: "a voice mailbox",
    PhoneNumberType.PAGER: "a pager",
    # British 070 numbers look like mobiles, and cost like premium ones.
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which is charged like a premium one",
    PhoneNumberType.UNKNOWN: "of no kind that is known",
}
# Czech premium SMS goes to seven digits; no whole number that the rack writes to is as short.
_SHORT_DIGITS = 7


def destination_refusal(msisdn: Msisdn, allowed_regions: Collection[str]) -> str | None:
    """Say why this number may not be written to, or None where it may."""
    number = phonenumbers.parse(msisdn.e164)
    kind = _REFUSED_TYPES.get(phonenumbers.number_type(number))
    if kind is not None:
        return f"{msisdn} is {kind}; the rack does not write to those"
    region = phonenumbers.region_code_for_number(number)
    if region not in allowed_regions:
        allowed = ", ".join(allowed_regions)
        place = "no country" if region in (None, phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY) else region
        return f"{msisdn} is in {place}, allowed is {allowed}; see messages.allowed_regions"
    return None


def short_number_refusal(raw: str, home_region: str) -> str | None:
    """Say why what somebody wrote is no number of a person but an emergency number or short code; None where it is not.

    To be asked before the number is read as a whole one, which could only say that it is too short.
    """
    if shortnumberinfo.connects_to_emergency_number(raw, home_region):
        return "an emergency number; the rack never writes to those"
    try:
        number = phonenumbers.parse(raw, home_region)
    except NumberParseException:
        return None
    if shortnumberinfo.is_emergency_number(str(number.national_number), _region_of(number)):
        return "an emergency number; the rack never writes to those"
    if phonenumbers.is_valid_number(number):
        return None
    is_short = len(str(number.national_number)) <= _SHORT_DIGITS
    if is_short or shortnumberinfo.is_possible_short_number(number):
        return "a short code, which may cost extra, or only part of a number; write the whole number of a person"
    return None


def _region_of(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.region_code_for_country_code(number.country_code or 0)
