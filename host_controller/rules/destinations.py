"""Where the rack may write to: countries that were allowed, and no number that costs extra. Pure."""

from __future__ import annotations

from collections.abc import Collection

import phonenumbers
from phonenumbers import PhoneNumberType

from host_controller.text.msisdn import Msisdn

_REFUSED_TYPES = {
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.TOLL_FREE: "a toll-free number",
    PhoneNumberType.UAN: "a company access number",
    PhoneNumberType.VOICEMAIL: "a voice mailbox",
    PhoneNumberType.PAGER: "a pager",
}


def destination_refusal(msisdn: Msisdn, allowed_regions: Collection[str]) -> str | None:
    """Say why this number may not be written to, or None where it may."""
    number = phonenumbers.parse(msisdn.e164)
    kind = _REFUSED_TYPES.get(phonenumbers.number_type(number))
    if kind is not None:
        return f"{msisdn} is {kind}; the rack does not write to those"
    region = phonenumbers.region_code_for_number(number)
    if region not in allowed_regions:
        allowed = ", ".join(allowed_regions)
        return f"{msisdn} is in {region or 'no country'}, allowed is {allowed}; see messages.allowed_regions"
    return None
