"""Telephone numbers in E.164, masked wherever they are printed. Pure."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, ValidationResult

from host_controller.errors import InvalidMsisdnError

# A name may hold digits, and letters can be dialled: only this is looked at as a sender's number.
_SENDER = re.compile(r"\+?[0-9 ()./-]{3,24}", re.ASCII)
# Shorter ones may be short codes, or numbers of the home country.
_WHOLE_WITHOUT_PLUS = re.compile(r"[1-9][0-9]{10,14}", re.ASCII)
_POSSIBLE_REASONS = {
    ValidationResult.TOO_SHORT: "too short",
    ValidationResult.TOO_LONG: "too long",
    ValidationResult.INVALID_LENGTH: "of a wrong length",
    ValidationResult.INVALID_COUNTRY_CODE: "without a country code that exists",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "without its area code",
}


@dataclass(frozen=True, order=True)
class Msisdn:
    """A number in E.164; `str` and `repr` show it masked, `.e164` in full."""

    e164: str

    def __str__(self) -> str:
        return f"{self.e164[:4]}•••{self.e164[-3:]}"

    __repr__ = __str__


def parse_msisdn(raw: str, home_region: str) -> Msisdn:
    """Read a number as people write it; without a country code it belongs to `home_region` (two letters).

    Raises InvalidMsisdnError.
    """
    try:
        number = phonenumbers.parse(raw, home_region)
    except NumberParseException as error:
        raise InvalidMsisdnError("not a telephone number; write it like +420777123456") from error
    if number.extension:
        raise InvalidMsisdnError("a number with an extension cannot receive SMS; leave the extension out")
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != ValidationResult.IS_POSSIBLE:
        raise InvalidMsisdnError(f"the number is {_POSSIBLE_REASONS.get(possible, 'not possible')}; correct it")
    if not phonenumbers.is_valid_number(number):
        region = phonenumbers.region_code_for_country_code(number.country_code or 0)
        raise InvalidMsisdnError(f"no such number exists in {region}; correct it")
    return Msisdn(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def parse_sender(raw: str, home_region: str) -> Msisdn | None:
    """Give the number that a message came from; None for a company's name or a short code.

    A number with its country code is believed also where our tables of numbering plans do not know it: it has written.
    Some networks leave out the plus sign before the country code.
    """
    if not _SENDER.fullmatch(raw):
        return None
    is_whole = _WHOLE_WITHOUT_PLUS.fullmatch(raw) is not None
    for written in (raw, f"+{raw}") if is_whole else (raw,):
        with contextlib.suppress(InvalidMsisdnError):
            return parse_msisdn(written, home_region)
    if not raw.startswith("+"):
        return None
    try:
        number = phonenumbers.parse(raw, None)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return Msisdn(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
