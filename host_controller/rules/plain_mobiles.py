"""Numbers of mobiles written in full, told by one regular expression. Pure.

To read a number, to find its kind and to rule out short codes takes fifty times as long, which a list of many thousand
feels. What is not found here may still be such a number, written otherwise: only a whole look can refuse it.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneMetadata

_REFUSED = ("premium_rate", "toll_free", "shared_cost", "personal_number", "pager", "uan", "voicemail")
_NOBODY = "(?!)"


def is_plain_mobile(raw: str, allowed_regions: tuple[str, ...]) -> bool:
    """Tell whether this is a mobile of one of these regions in E.164, of no kind that the rack refuses."""
    return raw.isascii() and _pattern(allowed_regions).fullmatch(raw) is not None


@lru_cache(maxsize=16)
def _pattern(regions: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_of_region, regions)) or _NOBODY)


def _of_region(region: str) -> str:
    code = phonenumbers.country_code_for_region(region)
    metadata = PhoneMetadata.metadata_for_region(region)
    # Where several countries share a code, more than the mobile's pattern tells them apart.
    if metadata is None or phonenumbers.region_codes_for_country_code(code) != (region,):
        return _NOBODY
    mobile, general = metadata.mobile, metadata.general_desc
    if not (mobile and mobile.national_number_pattern and general and general.national_number_pattern):
        return _NOBODY
    others = [getattr(metadata, kind) for kind in _REFUSED]
    refused = [desc.national_number_pattern for desc in others if desc and desc.national_number_pattern]
    lengths = set(general.possible_length) & set(mobile.possible_length or general.possible_length)
    if not lengths:
        return _NOBODY
    whole = "|".join(rf"\d{{{length}}}" for length in sorted(lengths))
    # What may be a prefix for calls within the country would be taken off.
    prefix = metadata.national_prefix_for_parsing or _NOBODY
    return (
        rf"\+{code}(?!0)(?!{prefix})(?=(?:{whole})$)(?=(?:{general.national_number_pattern})$)"
        rf"(?!(?:{'|'.join(refused) or _NOBODY})$)(?:{mobile.national_number_pattern})"
    )
