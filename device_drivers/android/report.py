"""What a phone says about itself, masked, for a bug report: no number, no name that a person gave, no serial. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from device_drivers.adb.command import call
from device_drivers.android import journal

_COMMANDS = {
    "properties": call("getprop"),
    "isub": call("dumpsys", "isub"),
    "telephony.registry": call("dumpsys", "telephony.registry"),
    "battery": call("dumpsys", "battery"),
    "settings": call("settings", "list", "global"),
    "services": call("service", "list"),
    "journal": call("ls", journal.JOURNAL_DIRECTORY),
}
TOPICS = tuple(_COMMANDS)
COMMANDS = tuple(_COMMANDS.values())
_MASK = "•••"
# Long digit runs are numbers, ICCIDs, IMEIs; hex runs are hashes and addresses.
_LONG_NUMBER = re.compile(r"\+?\d[\d ()/-]{4,}\d|\b[0-9a-fA-F:.-]{12,}\b")
# Lines and fields whose value a person may have chosen, or that tell where the phone is.
_NAMED_VALUE = re.compile(
    r"((?:displayName|carrierName|mDisplayName|m?[nN]umber|iccId|mIccId|mcc|mnc|mCellIdentity|device_name|"
    r"bluetooth_name|bluetooth_address|android_id|ssid|SSID|serialno|imei|imsi|meid)\]?(?:=|: \[|\s))([^,\s\]}]+)",
    re.IGNORECASE,
)
_SECRET_LINE = re.compile(
    r"^.*(?:password|token|secret|account|owner|email|phone_number|wifi|location|cell).*$", re.I | re.M
)
_KEPT_NUMBERS = frozenset({"2147483647"})


def mask(texts: Mapping[str, str]) -> dict[str, str]:
    """Mask every topic."""
    return {topic: mask_text(text) for topic, text in texts.items()}


def mask_text(text: str) -> str:
    """Mask one text; structure and short numbers stay."""
    masked = _SECRET_LINE.sub(_MASK, text)
    masked = _NAMED_VALUE.sub(lambda match: match[1] + _MASK, masked)
    return _LONG_NUMBER.sub(lambda match: match[0] if match[0] in _KEPT_NUMBERS else _MASK, masked)
